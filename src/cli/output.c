/*
 * The bytes go to a temporary file in the same folder, which is synced and then renamed: whoever
 * looks finds the old file or the new one, never a piece.  Without --force the renaming itself
 * refuses a name that is taken, so that nothing can come in between.  Devices and pipes are
 * written to as they are.
 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/interrupt.h"
#include "cli/picture_file.h"
#include "config/values.h"

static bool format_of(enum picture_format *out, const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && dot > name && picture_format_from_name(out, dot + 1);
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool output_is_folder(const char *path) {
    enum picture_format format;
    struct stat st;
    const char *name = name_of(path);
    if (!*path || is_stdio(path)) return false;
    return !*name || (!format_of(&format, name) && stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

enum status output_format(enum picture_format *out, const char *path, struct error *err) {
    const char *name = name_of(path);
    if (format_of(out, name)) return STATUS_OK;
    struct shown_value shown;
    value_show(&shown, name);
    return fail(err, STATUS_INVALID, "--output %s: the name must end in .png, .jpg, .jpeg or .webp",
                shown.text);
}

/* The folder of a path, with its slash; "./" where there is none. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
}

static enum status in_the_way(const char *path, struct error *err) {
    return fail(err, STATUS_IO, "%s is there already: name another --output, or add --force", path);
}

enum status output_check(const char *path, bool force, struct error *err) {
    struct stat st;
    if (is_stdio(path)) return STATUS_OK;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return fail(err, STATUS_IO, "cannot write %s: it is a folder", path);
        if (!S_ISREG(st.st_mode)) return STATUS_OK;
        if (st.st_size > 0 && !force) return in_the_way(path, err);
    }
    char *folder = folder_of(path);
    if (!folder) return fail(err, STATUS_NO_MEMORY, "no memory for the output's name");
    enum status s = STATUS_OK;
    if (access(folder, W_OK | X_OK) != 0)
        s = fail(err, STATUS_IO, "cannot write into the folder %s: %s", folder, strerror(errno));
    free(folder);
    return s;
}

static enum status cannot_write(const char *path, int error, struct error *err) {
    if (error == ENOSPC || error == EDQUOT)
        return fail(err, STATUS_IO, "cannot write %s: the disk is full (%s)", path,
                    strerror(error));
    return fail(err, STATUS_IO, "cannot write %s: %s", path, strerror(error));
}

/* Writes, syncs and closes; returns 0 or errno. */
static int write_and_close(int fd, const char *bytes, size_t size) {
    int error = 0;
    while (size > 0 && !error) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno != EINTR) error = errno;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    /* Devices and pipes have nothing to sync, and say so. */
    if (!error && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) error = errno;
    if (close(fd) != 0 && !error) error = errno;
    return error;
}

/* Opens a new file FOLDER/.firered-PID-N.tmp; its name becomes the caller's. */
static int open_temporary(const char *target, char **name) {
    char *folder = folder_of(target);
    struct buffer path = {0};
    int fd = -1;
    errno = ENOMEM;
    for (int i = 0; folder && fd < 0 && i < 100; i++) {
        path.size = 0;
        if (buffer_printf(&path, "%s.firered-%ld-%d.tmp", folder, (long)getpid(), i) != STATUS_OK)
            break;
        interrupt_set_temporary(NULL);
        fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    free(folder);
    if (fd < 0) {
        int error = errno;
        buffer_free(&path);
        errno = error;
        return -1;
    }
    *name = path.data;
    interrupt_set_temporary(*name);
    return fd;
}

/* After a crash of the machine the new name should be there too; where folders cannot be synced,
 * nothing is lost. */
static void sync_folder(const char *path) {
    char *folder = folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(folder);
}

/* Gives the temporary file its name, which nothing else has, where `fresh` and where the file system
 * knows how to tell. */
static int move_to(const char *target, const char *temporary, bool fresh) {
    if (fresh && renameat2(AT_FDCWD, temporary, AT_FDCWD, target, RENAME_NOREPLACE) == 0) return 0;
    if (fresh && errno != EINVAL && errno != ENOSYS) return -1;
    return rename(temporary, target);
}

static enum status replace(const char *path, const char *target, const void *bytes, size_t size,
                           const struct stat *old, bool force, struct error *err) {
    char *temporary = NULL;
    int fd = open_temporary(target, &temporary);
    if (fd < 0) return cannot_write(path, errno, err);
    if (old) (void)!fchmod(fd, old->st_mode & 07777);
    int error = write_and_close(fd, bytes, size);
    if (!error && move_to(target, temporary, !old && !force) != 0) error = errno;
    if (error) unlink(temporary);
    interrupt_set_temporary(NULL);
    free(temporary);
    if (error == EEXIST) return in_the_way(path, err);
    if (error) return cannot_write(path, error, err);
    sync_folder(target);
    return STATUS_OK;
}

static enum status write_stdout(const void *bytes, size_t size, struct error *err) {
    int fd = dup(STDOUT_FILENO), error = fd < 0 ? errno : write_and_close(fd, bytes, size);
    return error ? cannot_write("standard output", error, err) : STATUS_OK;
}

enum status output_write(const char *path, const void *bytes, size_t size, bool force,
                         struct error *err) {
    struct stat old;
    if (is_stdio(path)) return write_stdout(bytes, size, err);
    bool exists = stat(path, &old) == 0;
    if (exists && !S_ISREG(old.st_mode)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        int error = fd < 0 ? errno : write_and_close(fd, bytes, size);
        return error ? cannot_write(path, error, err) : STATUS_OK;
    }
    if (exists && old.st_size > 0 && !force) return in_the_way(path, err);
    char *target = exists ? realpath(path, NULL) : strdup(path);
    if (!target) return cannot_write(path, errno, err);
    enum status s = replace(path, target, bytes, size, exists ? &old : NULL, force, err);
    free(target);
    return s;
}
