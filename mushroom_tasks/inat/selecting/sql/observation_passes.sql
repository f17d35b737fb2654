-- Which observations (o) the settings allow. A part of other statements: it goes into their WHERE.
--
-- observed_on, latitude and longitude may be missing: a limit on one of them leaves those rows out. anomaly_score is
-- iNaturalist's geographic score: below 1 the Geomodel does not expect the taxon there, the lower the less. Archives
-- of 2023 and before lack it, and so do rare taxa that the Geomodel does not know: what has no score is kept.
-- A box whose west is larger than its east crosses the antimeridian.
(
    o.quality_grade = ANY(%(quality_grades)s)
    AND (%(observed_from)s::date IS NULL OR o.observed_on >= %(observed_from)s::date)
    AND (%(observed_to)s::date IS NULL OR o.observed_on <= %(observed_to)s::date)
    AND (%(min_anomaly_score)s::float8 IS NULL OR coalesce(o.anomaly_score >= %(min_anomaly_score)s::float8, true))
    AND (%(west)s::float8 IS NULL OR (
        o.latitude BETWEEN %(south)s::float8 AND %(north)s::float8
        AND CASE WHEN %(west)s::float8 <= %(east)s::float8
                 THEN o.longitude BETWEEN %(west)s::float8 AND %(east)s::float8
                 ELSE o.longitude >= %(west)s::float8 OR o.longitude <= %(east)s::float8 END
    ))
    AND (NOT %(by_country)s OR o.observation_uuid IN (SELECT observation_uuid FROM in_countries))
)
