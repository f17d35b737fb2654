-- Makes the key of a filled table, {key}; fails where rows repeat it. {table} and {fillfactor} are filled in too.
CREATE UNIQUE INDEX pk_{table} ON incoming.{table} ({key}) WITH (fillfactor = {fillfactor});
ALTER TABLE incoming.{table} ADD CONSTRAINT pk_{table} PRIMARY KEY USING INDEX pk_{table};
