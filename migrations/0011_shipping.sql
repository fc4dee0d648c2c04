-- How far each place of [[ship]] has been served. It follows from no event and makes none: sending events would never end.
CREATE TABLE shipping_cursors (
    place TEXT PRIMARY KEY NOT NULL,
    -- It has every event up to this one, or they are none of its business.
    seq   INTEGER NOT NULL CHECK (seq >= 0),
    at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
