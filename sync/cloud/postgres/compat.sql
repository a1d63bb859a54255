-- What SQLite has and PostgreSQL 15 has not, under the same names. Functions of the cloud's own schema; made anew at each start.
CREATE OR REPLACE FUNCTION as_text(body bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
  RETURN convert_from(body, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION as_text(body text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT body $$;
CREATE OR REPLACE FUNCTION as_text(body bigint) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT body::text $$;
CREATE OR REPLACE FUNCTION as_blob(body text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT convert_to(body, 'UTF8')
$$;
CREATE OR REPLACE FUNCTION hex(body bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT upper(encode(body, 'hex'))
$$;
CREATE OR REPLACE FUNCTION instr(body text, part text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT strpos(body, part)::bigint
$$;
CREATE OR REPLACE FUNCTION json_valid(body text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN body IS NOT NULL AND body::jsonb IS NOT NULL;
EXCEPTION WHEN data_exception THEN
  RETURN false;
END $$;
CREATE OR REPLACE FUNCTION json(body text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT body::jsonb $$;
CREATE OR REPLACE FUNCTION json_part(body text, path text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT jsonb_path_query_first(body::jsonb, replace(path, '[#-1]', '[last]')::jsonpath)
$$;
CREATE OR REPLACE FUNCTION json_extract(body text, path text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT json_part(body, path) #>> '{}'
$$;
CREATE OR REPLACE FUNCTION json_type(body text, path text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(json_part(body, path)) WHEN 'string' THEN 'text' ELSE jsonb_typeof(json_part(body, path)) END
$$;
CREATE OR REPLACE FUNCTION json_item(body text, place integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT body::jsonb ->> place
$$;
CREATE OR REPLACE FUNCTION json_each(body text, OUT key text, OUT value text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT (place - 1)::text, item
  FROM json_array_elements_text(CASE json_typeof(body::json) WHEN 'array' THEN body::json ELSE '[]' END)
    WITH ORDINALITY AS one (item, place)
$$;
CREATE OR REPLACE FUNCTION json_each(body text, path text, OUT key text, OUT value text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT one.key, one.value FROM json_each(json_part(body, path)::text) AS one
$$;
CREATE OR REPLACE FUNCTION json_array(one text, other text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT '[' || COALESCE(to_json(one)::text, 'null') || ',' || COALESCE(to_json(other)::text, 'null') || ']'
$$;
DROP OPERATOR IF EXISTS ->> (text, text);
CREATE OPERATOR ->> (LEFTARG = text, RIGHTARG = text, FUNCTION = json_extract);
DROP OPERATOR IF EXISTS ->> (text, integer);
CREATE OPERATOR ->> (LEFTARG = text, RIGHTARG = integer, FUNCTION = json_item);
