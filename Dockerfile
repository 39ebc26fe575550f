# The whole study in a container: CPU by default, CUDA by a build argument.
#
#   docker build -t mc2lib .
#   docker run --rm -it -p 8888:8888 -v "$PWD/data:/mc2lib/data" -v "$PWD/runs:/mc2lib/runs" mc2lib make repro
#   docker run --rm -it -p 8888:8888 mc2lib make lab ARGS="--ip 0.0.0.0 --no-browser"
#
# requirements.lock holds torch for CUDA; its libraries come with it, so CUDA needs the driver of the host alone:
#
#   docker build -t mc2lib:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 .
#   docker run --rm -it --gpus all mc2lib:cuda make repro
ARG BASE=python:3.12-slim
FROM ${BASE}

RUN apt-get update \
    && apt-get install -y --no-install-recommends git make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /mc2lib
COPY requirements.lock Makefile ./
RUN make env
COPY . .
ENV PATH="/mc2lib/.venv/bin:${PATH}"
# The image holds no .git, which DVC would look for.
RUN printf '[core]\n    no_scm = true\n' > .dvc/config.local
CMD ["make", "help"]
