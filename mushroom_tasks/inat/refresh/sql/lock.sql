-- Keeps readers out of the tables, for the moment in which others take their place. {schema} is filled in.
LOCK TABLE {schema}.taxa, {schema}.observations, {schema}.photos, {schema}.observers, {schema}.withdrawn_photos
    IN ACCESS EXCLUSIVE MODE;
