/* What libraries forget when a file is damaged, seen by the leak sanitizer and not ours to mend: libheif
 * 1.15 a colour profile of 52 bytes with codes that it does not know, dav1d 1.0 a picture's properties. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libheif.so\nleak:libdav1d.so\n";
}
