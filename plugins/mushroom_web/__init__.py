"""What the applications of the plugin share: who may read, the guard around each, and how Airflow mounts them.

Every process of Airflow loads `mounting` and nothing else of this package; the first request imports the rest.
"""
