/*
 * The id and what stands in refs/ become parts of a path: both are held to the characters that the
 * hub itself allows, so that neither can lead out of the cache.
 */
#include "weights/hub.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

enum { NAME_MAX_LENGTH = 96, REF_MAX_BYTES = 4096 };

struct hub_id {
    char org[NAME_MAX_LENGTH + 1], name[NAME_MAX_LENGTH + 1], revision[NAME_MAX_LENGTH + 1];
};

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_set(const char *option) {
    return option && *option;
}

/* Gives the path away as a plain string. */
static enum status hand_over(char **out, struct buffer *path, enum status s, struct error *err) {
    if (s != STATUS_OK) {
        buffer_free(path);
        return fail(err, s, "no memory for the path of a model");
    }
    *out = path->data;
    return STATUS_OK;
}

/* Letters, digits, '-', '_' and '.', at most 96, no '-' or '.' at either end, no "--", no "..": the
 * hub's own rule. */
static bool copy_name(char *out, const char *from, size_t n) {
    if (n == 0 || n > NAME_MAX_LENGTH) return false;
    for (size_t i = 0; i < n; i++) {
        char c = from[i];
        bool inner = c == '-' || c == '.';
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && !inner)
            return false;
        if (inner && (i == 0 || i == n - 1 || from[i - 1] == c)) return false;
    }
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

static bool parse_id(struct hub_id *id, const char *text) {
    const char *slash = strchr(text, '/'), *at = strchr(text, '@');
    if (!slash || (at && at < slash)) return false;
    const char *end = at ? at : text + strlen(text);
    if (!copy_name(id->org, text, (size_t)(slash - text))) return false;
    if (!copy_name(id->name, slash + 1, (size_t)(end - slash - 1))) return false;
    if (!at) at = "@main";
    return copy_name(id->revision, at + 1, strlen(at + 1));
}

enum status hub_cache_folder(char **folder, const struct hub_options *options, struct error *err) {
    const struct {
        const char *option, *below;
    } PLACES[] = {{options->hf_hub_cache, ""},
                  {options->hf_home, "/hub"},
                  {options->xdg_cache_home, "/huggingface/hub"},
                  {options->home, "/.cache/huggingface/hub"}};
    *folder = NULL;
    const char *home = options->home;
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        const char *value = PLACES[i].option;
        if (!is_set(value)) continue;
        bool in_home = is_set(home) && strncmp(value, "~/", 2) == 0;
        struct buffer path = {0};
        enum status s = buffer_printf(&path, "%s%s%s", in_home ? home : "",
                                      in_home ? value + 1 : value, PLACES[i].below);
        return hand_over(folder, &path, s, err);
    }
    return fail(err, STATUS_INVALID, "no cache for models: set HF_HUB_CACHE, HF_HOME or HOME");
}

/* Sets *folder to FOLDER/models/demo when model_index.json is there, and leaves it NULL otherwise.
 */
static enum status try_demo(char **folder, const char *base, int base_length, const char *below,
                            struct error *err) {
    struct buffer path = {0};
    enum status s =
        buffer_printf(&path, "%.*s%smodels/demo/model_index.json", base_length, base, below);
    bool there = s == STATUS_OK && access(path.data, R_OK) == 0;
    if (s == STATUS_OK && !there) {
        buffer_free(&path);
        return STATUS_OK;
    }
    if (there) *strrchr(path.data, '/') = '\0';
    return hand_over(folder, &path, s, err);
}

enum status hub_find_demo(char **folder, const char *program, struct error *err) {
    char self[4096];
    *folder = NULL;
    if (!program) {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n < 0 ? 0 : n] = '\0';
        program = self;
    }
    const char *slash = strrchr(program, '/');
    int length = slash ? (int)(slash - program) : 0;
    enum status s = STATUS_OK;
    if (slash) s = try_demo(folder, program, length, "/../share/firered/", err);
    if (slash && s == STATUS_OK && !*folder) s = try_demo(folder, program, length, "/../../", err);
    if (s == STATUS_OK && !*folder) s = try_demo(folder, "", 0, "", err);
    if (s == STATUS_OK && !*folder)
        return fail(err, STATUS_INVALID,
                    "the demo model is neither in share/firered/models/demo beside %.*s nor in "
                    "models/demo here",
                    length, program);
    return s;
}

/* Reads REPO/refs/REVISION into id->revision; leaves it alone when there is no such file. */
static enum status follow_ref(struct hub_id *id, const char *repo, struct error *err) {
    struct buffer path = {0}, text = {0};
    enum status s = buffer_printf(&path, "%s/refs/%s", repo, id->revision);
    if (s != STATUS_OK) {
        s = fail(err, s, "no memory for the path of a model");
    } else if (access(path.data, F_OK) == 0) {
        s = buffer_read_file(&text, path.data, REF_MAX_BYTES, err);
        const char *from = text.data ? text.data : "";
        from += strspn(from, " \t\r\n");
        if (s == STATUS_OK && !copy_name(id->revision, from, strcspn(from, " \t\r\n")))
            s = fail(err, STATUS_INVALID,
                     "%s does not hold the name of a commit; fetch the model again", path.data);
    }
    buffer_free(&text);
    buffer_free(&path);
    return s;
}

static enum status find_snapshot(char **folder, struct hub_id *id, const char *model_id,
                                 const char *repo, struct error *err) {
    enum status s = follow_ref(id, repo, err);
    if (s != STATUS_OK) return s;
    struct buffer path = {0};
    s = buffer_printf(&path, "%s/snapshots/%s", repo, id->revision);
    if (s == STATUS_OK && !is_folder(path.data)) {
        buffer_free(&path);
        return fail(
            err, STATUS_INVALID,
            "the model %s is not on this machine: its files belong into %s/snapshots/REVISION, "
            "where the hub's own tools put them; or name a folder",
            model_id, repo);
    }
    return hand_over(folder, &path, s, err);
}

enum status hub_resolve(char **folder, const char *model_id, const struct hub_options *options,
                        struct error *err) {
    *folder = NULL;
    if (strcmp(model_id, "demo") == 0) return hub_find_demo(folder, NULL, err);
    struct buffer path = {0};
    if (is_folder(model_id))
        return hand_over(folder, &path, buffer_printf(&path, "%s", model_id), err);

    struct hub_id id;
    if (!parse_id(&id, model_id))
        return fail(err, STATUS_INVALID,
                    "the model \"%.160s\" is neither a folder nor an id of the form ORG/NAME[@REV]",
                    model_id);
    char *cache;
    enum status s = hub_cache_folder(&cache, options, err);
    if (s != STATUS_OK) return s;
    struct buffer repo = {0};
    s = buffer_printf(&repo, "%s/models--%s--%s", cache, id.org, id.name);
    if (s == STATUS_OK)
        s = find_snapshot(folder, &id, model_id, repo.data, err);
    else
        s = fail(err, s, "no memory for the path of a model");
    buffer_free(&repo);
    free(cache);
    return s;
}
