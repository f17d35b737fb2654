"""The reports of data sets, served by Airflow: the page, its contact sheets and its figures."""
