"""The page in Airflow's web UI where people look at what pruning found, and decide.

A FastAPI application that the plugin mounts into Airflow's API server: an HTML page, what it loads, and a small JSON
interface on top of `mushroom_tasks.curation.review`. Every request needs a login at Airflow (see `access`).

    app = create_app(load_settings())
"""
