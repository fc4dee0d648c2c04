//! The words that every other room speaks: levels, decisions, names, ids, and the escaping of untrusted text.

mod access;
mod history;
mod id;
mod impact_rules;
mod name;
mod path;
mod rating;
mod seal;
mod seldom;
mod shelter;
mod text;
mod time;
mod vocabulary;

pub use access::{Access, Touch};
pub use history::History;
pub use id::{CommandId, CommandUid, SessionId};
pub use impact_rules::ImpactRules;
pub use name::{Name, NameError};
pub use path::{absolute_path, is_step};
pub use rating::{Rating, RatingError};
pub use seal::Seal;
pub use seldom::Seldom;
pub use shelter::{Panicked, shelter, sheltered};
pub use text::{acts, printable, printable_json, printable_line};
pub use time::whole_millis;
pub use vocabulary::{
    AnswerChannel, Channel, Decision, Dialect, Exactness, FileOperation, Impact, Level, ParseWordError, Scope, State,
};
