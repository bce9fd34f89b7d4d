/* Numbers, text, header parameters, paths and ids from arbitrary bytes: no crash, and what is taken
 * is in range. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/auth.h"
#include "http/form.h"
#include "http/params.h"
#include "http/request_id.h"
#include "http/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    uint64_t u;
    double d;
    if (form_unsigned(bytes, size, 1000, &u) && u > 1000) abort();
    if (form_number(bytes, size, &d) && !isfinite(d)) abort();
    if (form_is_text(bytes, size)) (void)form_is_blank(bytes, size);

    char *text = malloc(size + 1), value[32], id[REQUEST_ID_MAX + 1];
    if (!text) return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (params_get(text, "name", value, sizeof value) == PARAMS_FOUND &&
        strlen(value) >= sizeof value)
        abort();
    char in_path[ID_IN_PATH_SIZE] = "";
    if (path_matches("/v1/jobs/{id}/events", text, in_path) &&
        (!*in_path || strchr(in_path, '/') || strlen(in_path) >= sizeof in_path))
        abort();
    request_id_choose(id, text);
    if (!request_id_is_sane(id)) abort();
    (void)auth_allows("key", text, text);
    (void)cors_allows(text, "https://a.example");
    free(text);
    return 0;
}
