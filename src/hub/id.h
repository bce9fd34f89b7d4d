/*
 * id.h - the name of a model on the hub: ORG/NAME[@REV].
 *
 * Its parts become parts of paths and of URLs: they are held to what the hub itself allows, so that
 * none can lead elsewhere.
 */
#ifndef HUB_ID_H
#define HUB_ID_H

#include <stdbool.h>
#include <stddef.h>

struct hub_id {
    char org[97], name[97];
    char revision[256]; /* a branch, a tag, refs/pr/N or a commit of 40 digits; "main" if unsaid */
    bool revision_said;
};

/* False: it is none. */
bool hub_id_parse(struct hub_id *out, const char *text);

/* What a text that is no id probably means, as the end of a sentence about it: "; its id is ORG/NAME"
 * for the address of a model's page (of a file's page, ORG/NAME/FILE, where a file is wanted), "; leave
 * the quotation marks away" for quotation marks that no shell took off; else "". */
struct hub_hint {
    char text[800];
};
void hub_id_hint(struct hub_hint *out, const char *text, bool of_file);

/* A file of a model: ORG/NAME/FILE[@REV], where FILE may hold slashes.  False: it is none. */
struct hub_file_id {
    struct hub_id id;
    char file[300];
};
bool hub_file_id_parse(struct hub_file_id *out, const char *text);

/* 40 small hexadecimal digits. */
bool hub_is_commit(const char *text);

/* A file's path in a repository, from the hub: relative, no part of it empty, "." or "..", no
 * control characters and no backslash, at most 1000 bytes. */
bool hub_path_is_safe(const char *path, size_t size);

#endif
