/*
 * Runs a libFuzzer harness over files: every argument is a file, or a folder whose files are all
 * taken.  With it the corpora are ordinary tests in builds without libFuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return perror(path), 1;
    uint8_t *data = NULL;
    size_t size = 0, room = 0, got;
    do {
        if (room - size < 4096) {
            room = room * 2 + 8192;
            uint8_t *more = realloc(data, room);
            if (!more) return free(data), fclose(f), 1;
            data = more;
        }
        got = fread(data + size, 1, room - size, f);
        size += got;
    } while (got > 0);
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int run_folder(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) return perror(path), 1;
    int bad = 0, files = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char file[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        bad |= run_file(file);
        files++;
    }
    closedir(dir);
    printf("%s: %d files\n", path, files);
    return bad || files == 0;
}

int main(int argc, char **argv) {
    int bad = argc < 2;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bad |= stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? run_folder(argv[i])
                                                              : run_file(argv[i]);
    }
    return bad;
}
