# Writes a C file that holds another file's bytes, and their hash as an HTTP entity tag:
#   cmake -DINPUT=docs.html -DOUTPUT=docs.html.c -DNAME=asset_docs_html -P embed.cmake
file(READ "${INPUT}" hex HEX)
file(SHA256 "${INPUT}" hash)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"http/assets.h\"\n\nconst char ${NAME}[] = {\n${bytes}0x00};\nconst size_t ${NAME}_size = sizeof ${NAME} - 1;\nconst char ${NAME}_etag[] = \"\\\"${hash}\\\"\";\n")
