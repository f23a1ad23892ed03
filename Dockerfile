# One image for the API, the workers and the migration; compose.yaml names the command of each.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# The root of the project is the only import root, so everything runs from here.
WORKDIR /app

COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY shared ./shared
COPY api ./api
COPY workers ./workers

RUN useradd --uid 10001 --no-create-home stepwell
USER stepwell

EXPOSE 8642 8650
CMD ["python", "-m", "api"]
