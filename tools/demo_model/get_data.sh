#!/bin/bash
# Fetch the packages whose photographs are trained on, and unpack them without installing: data/deb and data/pypi.
set -eu
mkdir -p data/deb data/pypi
for package in gcompris-qt-data gnome-backgrounds mate-backgrounds plasma-workspace-wallpapers lomiri-wallpapers-16.04 \
    lomiri-wallpapers-20.04 ukui-wallpapers lxqt-themes libjxl-testdata palapeli-data opencv-doc kphotoalbum krank libelementary-data scratch; do
    (cd data/deb && apt-get download -q "$package" && dpkg-deb -x "${package}"_*.deb "$package")
done
pip download -q --no-deps -d data/pypi scikit-image==0.24.0 scikit-learn==1.9.1 gradio==6.31.0 imgaug==0.4.0
