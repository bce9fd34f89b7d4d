#include "http/errors.h"

const struct http_error_kind *http_error_kind(enum http_error e) {
    static const struct http_error_kind kinds[HTTP_ERRORS] = {
        [HTTP_INVALID_FILE] = {"invalid_file", 400, 0},
        [HTTP_INVALID_IMAGE] = {"invalid_image", 400, 0},
        [HTTP_INVALID_REQUEST] = {"invalid_request", 400, 0},
        [HTTP_UNAUTHORIZED] = {"unauthorized", 401, 0},
        [HTTP_NOT_FOUND] = {"not_found", 404, 0},
        [HTTP_MODEL_NOT_FOUND] = {"model_not_found", 404, 0},
        [HTTP_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, 0},
        [HTTP_PAYLOAD_TOO_LARGE] = {"payload_too_large", 413, 0},
        [HTTP_GPU_OOM] = {"gpu_oom", 503, 0},
        [HTTP_INFERENCE_ERROR] = {"inference_error", 503, 0},
        [HTTP_QUEUE_FULL] = {"queue_full", 503, 5},
        [HTTP_MODEL_LOADING] = {"model_loading", 503, 5},
        [HTTP_SHUTTING_DOWN] = {"shutting_down", 503, 10},
        [HTTP_TIMEOUT] = {"timeout", 504, 0},
        [HTTP_NOT_FINISHED] = {"not_finished", 409, 1},
        [HTTP_CANCELLED] = {"cancelled", 499, 0},
    };
    return &kinds[e];
}
