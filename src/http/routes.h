/*
 * routes.h - every request's way through the server: which route it is for, whether it may, what it
 * is answered, and the one log line about it.
 *
 * The functions are the HTTP library's callbacks; `cls` is the struct server.
 */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "http/request.h"

enum MHD_Result routes_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request);

void routes_on_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why);

void routes_on_connection(void *cls, struct MHD_Connection *connection, void **client,
                          enum MHD_ConnectionNotificationCode what);

#endif
