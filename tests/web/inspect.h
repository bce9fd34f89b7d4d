/*
 * inspect.h - what can be measured of a page's accessibility: the rules of checks.js, and a name for
 * every control and picture.
 */
#ifndef TESTS_WEB_INSPECT_H
#define TESTS_WEB_INSPECT_H

#include "web/browser.h"

/* Fails the running test if the page, in the state that it is in, breaks a rule; leaves a picture of
 * it in SCREENSHOTS/NAME.png. */
void page_inspect(struct browser *b, const char *name);

#endif
