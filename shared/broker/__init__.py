"""The broker: the Celery application, the one message that wakes a worker, and how it is sent."""
