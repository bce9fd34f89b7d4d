/*
 * web.h - the page at GET / and the files that it is made of (web/), built into the program.
 *
 * They are open without a key: there is nothing of a model or a user in them, and the page asks for
 * the key itself.
 */
#ifndef HTTP_WEB_H
#define HTTP_WEB_H

#include "http/request.h"

/* Whether a path is one of the page. */
bool web_has(const char *path);

/* Answers with the file of the request's path, which is one of the page; 304 to a browser that
 * has it. */
void page_web(struct request *r);

#endif
