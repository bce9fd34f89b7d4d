/*
 * errors.h - every error of the contract: its code, its status, and whether the client should come
 * back later.
 */
#ifndef HTTP_ERRORS_H
#define HTTP_ERRORS_H

enum http_error {
    HTTP_INVALID_FILE,
    HTTP_INVALID_IMAGE,
    HTTP_INVALID_REQUEST,
    HTTP_UNAUTHORIZED,
    HTTP_NOT_FOUND,
    HTTP_MODEL_NOT_FOUND,
    HTTP_METHOD_NOT_ALLOWED,
    HTTP_PAYLOAD_TOO_LARGE,
    HTTP_GPU_OOM,
    HTTP_INFERENCE_ERROR,
    HTTP_QUEUE_FULL,
    HTTP_MODEL_LOADING,
    HTTP_SHUTTING_DOWN,
    HTTP_TIMEOUT,
    HTTP_NOT_FINISHED, /* of jobs only, as is the next */
    HTTP_CANCELLED,
    HTTP_ERRORS
};

struct http_error_kind {
    const char *code;
    int status;
    int retry_after; /* seconds, 0: no Retry-After */
};

const struct http_error_kind *http_error_kind(enum http_error e);

#endif
