FROM python:3.11-slim
RUN useradd --uid 1000 --create-home baton && install --directory --owner baton --group baton --mode 700 /home/baton/home
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir torch==2.13.0 \
    && pip install --no-cache-dir -c constraints.txt ".[tensorboard,vae,postgres,s3]"
USER baton
CMD ["python", "cli.py", "--help"]
