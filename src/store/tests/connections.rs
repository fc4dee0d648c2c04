//! What came to the door, by day.

use jiff::civil::{Date, date};
use serde_json::json;

use super::*;
use crate::store::payload::Payload;
use crate::store::{ConnectionCounts, DayOfConnections};

const YESTERDAY: Date = date(2026, 11, 21);
const TODAY: Date = date(2026, 11, 22);

fn counts(accepted: u64, refused: u64) -> ConnectionCounts {
    ConnectionCounts {
        accepted,
        refused,
        ..ConnectionCounts::default()
    }
}

async fn since(day: Date) -> Vec<DayOfConnections> {
    let fixture = Fixture::new().await;
    for (day, counted) in [(YESTERDAY, counts(1, 0)), (TODAY, counts(2, 1)), (TODAY, counts(3, 4))] {
        fixture.store.count_connections(day, counted).await.unwrap();
    }
    Reader::open(&fixture.path()).unwrap().connections(day).unwrap()
}

#[tokio::test]
async fn a_day_gathers_what_is_added_to_it() {
    let days = since(YESTERDAY).await;
    let told: Vec<_> = days.iter().map(|day| (day.day.as_str(), day.counts)).collect();
    assert_eq!(told, [("2026-11-22", counts(5, 5)), ("2026-11-21", counts(1, 0))]);
    assert_eq!(since(TODAY).await.len(), 1);
}

#[tokio::test]
async fn what_is_added_is_an_event() {
    let fixture = Fixture::new().await;
    fixture.store.count_connections(TODAY, counts(2, 1)).await.unwrap();
    let Payload(payload) = outsider(&fixture)
        .query_row(
            "SELECT payload FROM events WHERE kind = 'connections_counted'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(
        (&payload["day"], &payload["counts"]["refused"]),
        (&json!("2026-11-22"), &json!(1))
    );
}
