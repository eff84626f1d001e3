# edgesoft serve, without PyTorch:
#   docker build -t edgesoft .                                              on the CPU
#   docker build -t edgesoft --build-arg EXTRAS=serve,cuda .                with what CUDA needs; run it with --gpus all
#   docker run -p 8000:8000 -e EDGESOFT_TOKEN=... -v "$PWD/exported:/models:ro" edgesoft /models/mnist.int8.onnx
FROM python:3.12-slim-bookworm
ARG EXTRAS=serve

WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY edgesoft edgesoft
RUN pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && useradd --system --no-create-home --uid 10001 edgesoft

WORKDIR /models
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["edgesoft", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/models"]
