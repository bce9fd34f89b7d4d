# docker build -t firered .
# docker run --rm -v firered-cache:/var/cache/firered firered pull FireRedTeam/FireRed-Image-Edit-1.0
# docker run --rm -p 7000:7000 -v firered-cache:/var/cache/firered -e MODEL_ID=FireRedTeam/FireRed-Image-Edit-1.0 firered
# The volume holds the hub's cache; a folder of the host's in its place must be writable for uid 10001.  Without MODEL_ID: the demo.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
# Packages first: this layer stays as it is until the list changes.
COPY scripts/setup.sh scripts/setup.sh
# With nvcc, card or not: the image runs on any host, with `docker run --gpus all` on its cards.
RUN apt-get -qq update && FIRERED_CUDA=ON scripts/setup.sh
COPY . .
RUN cmake --preset release -DFIRERED_TESTS=OFF -DFIRERED_CUDA=ON -DCMAKE_INSTALL_PREFIX=/usr/local \
    && cmake --build --preset release --target firered \
    && DESTDIR=/out cmake --install build/release --strip

FROM ${BASE}
RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        ca-certificates libcurl4 libgif7 libheif1 libjansson4 libjpeg62-turbo libjxl0.7 liblcms2-2 libmicrohttpd12 libpcre2-8-0 libspng0 libutf8proc2 \
        libssl3 libtiff6 libwebp7 libwebpdemux2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/cache/firered --shell /usr/sbin/nologin firered \
    && install -d -o firered -g firered -m 0750 /var/cache/firered
COPY --from=build /out/usr/local /usr/local
ENV HF_HOME=/var/cache/firered LOG_FORMAT=json
USER firered
WORKDIR /var/cache/firered
VOLUME /var/cache/firered
EXPOSE 7000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["firered", "health"]
ENTRYPOINT ["firered"]
CMD ["serve"]
