/* Every field's value, header parameters, paths and ids from arbitrary bytes: no crash, and what is
 * taken is in range. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/fields.h"
#include "firered.h"
#include "http/auth.h"
#include "http/params.h"
#include "http/routes.h"
#include "service/request_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_fields(const char *text, size_t size) {
    struct field_values v = field_values_default();
    for (size_t i = 0; i < field_count; i++) field_read(&v, &field_table[i], text, size, 100);
    if (v.steps < 0 || v.steps > 100 || v.count < 1 || v.count > FIELD_MAX_COUNT) abort();
    if (v.width && (v.width < FIRERED_MIN_SIDE || v.width > FIRERED_MAX_SIDE)) abort();
    if (!v.size.width != !v.size.height || (v.size.input && v.size.width)) abort();
    if (!isfinite(v.guidance_scale) || v.guidance_scale > FIRERED_MAX_GUIDANCE) abort();
    if (v.compression < -1 || v.compression > 100) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), value[32], id[REQUEST_ID_MAX + 1];
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    if (size) read_fields(text, size);
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
