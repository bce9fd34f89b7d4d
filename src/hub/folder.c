/*
 * fts reads; what is deleted by others meanwhile is passed over.
 */
#include "hub/folder.h"

#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static FTS *open_folder(const char *folder) {
    char *const paths[] = {(char *)folder, NULL};
    return fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

enum status hub_folder_walk(const char *folder,
                            enum status (*each)(void *arg, const char *path, const char *below,
                                                struct error *err),
                            void *arg, struct error *err) {
    FTS *walk = open_folder(folder);
    if (!walk) return fail(err, STATUS_IO, "cannot read %s: %s", folder, strerror(errno));
    enum status s = STATUS_OK;
    for (FTSENT *e; s == STATUS_OK && (e = fts_read(walk));) {
        bool file = e->fts_info == FTS_F || e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE;
        if (file && e->fts_level > 0)
            s = each(arg, e->fts_path, e->fts_path + strlen(folder) + 1, err);
        if (e->fts_info == FTS_DNR)
            s = fail(err, STATUS_IO, "cannot read %s: %s", e->fts_path, strerror(e->fts_errno));
    }
    fts_close(walk);
    return s;
}

enum status hub_folder_delete(const char *folder, struct error *err) {
    FTS *walk = open_folder(folder);
    if (!walk) return fail(err, STATUS_IO, "cannot read %s: %s", folder, strerror(errno));
    enum status s = STATUS_OK;
    for (FTSENT *e; (e = fts_read(walk));) {
        if (e->fts_info == FTS_D || e->fts_info == FTS_NS) continue;
        int gone = e->fts_info == FTS_DP ? rmdir(e->fts_path) : unlink(e->fts_path);
        if (gone != 0 && errno != ENOENT && s == STATUS_OK)
            s = fail(err, STATUS_IO, "cannot remove %s: %s", e->fts_path, strerror(errno));
    }
    fts_close(walk);
    return s;
}
