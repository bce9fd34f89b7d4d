/*
 * upload.h - a form as a request's body, for the routes that take one: read as it arrives, refused
 * as early as it can be.
 *
 * A route's begin calls upload_begin, its body is upload_body, its end calls upload_end once.  Each
 * may set the request's reply to an error.
 */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include "http/form.h"
#include "http/request.h"

/* The head is there: refuses where the service takes no edits, or the body is too large or no form. */
void upload_begin(struct request *r, enum field_place place);

void upload_body(struct request *r, const char *bytes, size_t size);

/* The body is over: moves what the form asks for into *order, which was empty, and *options, and sets the
 * header that names what nothing comes of.  False: refused. */
bool upload_end(struct request *r, struct edit_order *order, struct form_options *options);

/* Lets go of what came, if anything did. */
void upload_free(struct request *r);

/* What a request is answered that could not have its edit queued. */
void upload_refuse(struct request *r, enum queue_answer why);

#endif
