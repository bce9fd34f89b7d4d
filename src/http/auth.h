/*
 * auth.h - who may come in, and which web pages may call.
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include <stdbool.h>

/* Whether one of the two headers (NULL: not sent) carries the key: `Authorization: Bearer KEY` or
 * `X-API-Key: KEY`. The time it takes does not depend on how much of the key is right.  key ==
 * NULL: everybody may. */
bool auth_allows(const char *key, const char *authorization, const char *x_api_key);

/* Whether a request's Host (NULL: it has none) is one of `hosts`, a comma-separated list of names and
 * addresses, whatever its port, case and end dot; an address of IPv6 may stand in brackets.  NULL:
 * any is. */
bool host_allowed(const char *hosts, const char *host);

/* What Access-Control-Allow-Origin answers to `origin` (NULL: not sent), or NULL for nothing: "*",
 * or the origin itself when it is one of `origins`, a comma-separated list. */
const char *cors_allows(const char *origins, const char *origin);

/* Whether a browser says of a request (by Sec-Fetch-Site, or by an Origin that is not the Host) that
 * a page of another site sends it, which is not on the list.  Headers may be NULL: what sends none of
 * them is no browser. */
bool is_cross_site(const char *origins, const char *site, const char *origin, const char *host);

#endif
