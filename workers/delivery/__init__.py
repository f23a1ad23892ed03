"""All that knows Celery: the task, the worker, the check of what the broker brings."""
