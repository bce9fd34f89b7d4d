/*
 * dispatch.h - every request's way through the server: whether it may, through the functions of its
 * route, to its answer.
 *
 * The functions are the HTTP library's callbacks; `cls` is the struct server.
 */
#ifndef HTTP_DISPATCH_H
#define HTTP_DISPATCH_H

#include "http/request.h"

enum MHD_Result dispatch_request(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **request);

/* Leaves %00 as it stands: decoded, it would end the path. */
size_t dispatch_unescape(void *cls, struct MHD_Connection *connection, char *s);

void dispatch_completed(void *cls, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why);

void dispatch_connection(void *cls, struct MHD_Connection *connection, void **client,
                         enum MHD_ConnectionNotificationCode what);

#endif
