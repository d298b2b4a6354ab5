FROM python:3.11-slim
RUN useradd --uid 1000 --create-home baton
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY . .
RUN pip install --no-cache-dir torch==2.13.0 && pip install --no-cache-dir -c constraints.txt .
USER baton
