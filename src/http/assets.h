/*
 * assets.h - the files that are built into the program (cmake/embed.cmake); each ends with a '\0'
 * that its size does not count.
 */
#ifndef HTTP_ASSETS_H
#define HTTP_ASSETS_H

#include <stddef.h>

extern const char asset_openapi_json[], asset_docs_html[];
extern const size_t asset_openapi_json_size, asset_docs_html_size;

#endif
