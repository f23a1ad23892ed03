"""What the parts below Stepwell cost by themselves: Celery, Redis and PostgreSQL."""
