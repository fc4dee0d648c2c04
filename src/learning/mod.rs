//! How the forest is trained anew from the record: rows go out, the trainer of `models/` runs as a child, what it
//! measured is judged, and the better model is put in force.
//!
//! The daemon itself runs none of this: `opspilot model train` does, in a process of its own.

mod child;
mod drift;
mod job;
mod measured;
mod promotion;
mod queue;
mod state;
mod status;
mod training;

pub use child::TrainerError;
pub use drift::{Drift, DriftedFeature};
pub use queue::{Queue, QueueError, Request};
pub use state::{Due, LearningState, Quality};
pub use status::{ModelStatus, Source};
pub use training::{Order, TrainError, Training, train};
