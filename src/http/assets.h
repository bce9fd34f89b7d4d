/*
 * assets.h - the files that are built into the program (cmake/embed.cmake).
 *
 * Each is asset_NAME, which ends with a '\0' that asset_NAME_size does not count, and
 * asset_NAME_etag, its hash as an entity tag (RFC 9110, 8.8.3), quotes included.
 */
#ifndef HTTP_ASSETS_H
#define HTTP_ASSETS_H

#include <stddef.h>

#define ASSET(name)                                                                                \
    extern const char asset_##name[], asset_##name##_etag[];                                       \
    extern const size_t asset_##name##_size

ASSET(openapi_json);
ASSET(docs_html);

/* web/ */
ASSET(index_html);
ASSET(app_css);
ASSET(app_js);
ASSET(favicon_svg);
ASSET(api_js);
ASSET(dom_js);
ASSET(history_js);
ASSET(job_js);
ASSET(key_js);
ASSET(pictures_js);
ASSET(settings_js);
ASSET(viewer_js);

#undef ASSET

#endif
