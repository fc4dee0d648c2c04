-- What came to the door, by day (UTC): counted in memory and added at most once a minute, so that nobody who has not
-- authenticated causes a write.
CREATE TABLE connection_counts (
    bastion_id      TEXT NOT NULL,
    day             TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    accepted        INTEGER NOT NULL CHECK (accepted >= 0),
    refused         INTEGER NOT NULL CHECK (refused >= 0),
    unauthenticated INTEGER NOT NULL CHECK (unauthenticated >= 0),
    timed_out       INTEGER NOT NULL CHECK (timed_out >= 0),
    authenticated   INTEGER NOT NULL CHECK (authenticated >= 0),
    turned_away     INTEGER NOT NULL CHECK (turned_away >= 0),
    PRIMARY KEY (bastion_id, day)
) STRICT, WITHOUT ROWID;
