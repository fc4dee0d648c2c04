//! Each change as it shows in the tables. A step that does not fit where a command stands is refused here.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::StoreError;
use super::cache::Count;
use super::chain::hex;
use super::change::{Change, NewSnapshot};
use super::command::{Aftermath, End, InputEnd, InputRest, NewCommand, Outcome, Resolution, Start};
use super::payload::Payload;
use super::session::{NewRecording, NewSession, RecordingEnd, RecordingId, RecordingState, SessionEnd};
use super::sql::{count, rfc3339};
use super::tally::{self, Step, Subject};
use super::{door, erase, feedback, numbers, tokens, training};
use crate::domain::{CommandId, Impact, Seal, SessionId, State};

/// Brings the tables to where they stand after `change`, event `seq`, and gives the counts that moved.
pub(super) fn project(
    connection: &Connection,
    bastion_id: &str,
    seq: i64,
    change: &Change,
) -> Result<Vec<Count>, StoreError> {
    match change {
        Change::SessionBegan(session) => begin_session(connection, bastion_id, session).map(|()| Vec::new()),
        Change::SessionEnded(id, end) => end_session(connection, *id, end).map(|()| Vec::new()),
        Change::Recorded(id, command) => record(connection, bastion_id, *id, command),
        Change::Resolved(id, resolution) => resolve(connection, *id, resolution),
        Change::Finished(id, outcome) => finish(connection, *id, outcome),
        Change::Amended(id, aftermath) => amend(connection, *id, aftermath),
        Change::InputEnded(id, end) => end_input(connection, *id, end).map(|()| Vec::new()),
        Change::SnapshotSaved(snapshot) => save_snapshot(connection, seq, snapshot).map(|()| Vec::new()),
        Change::RecordingBegan(recording) => begin_recording(connection, bastion_id, recording).map(|()| Vec::new()),
        Change::RecordingEnded(id, end) => end_recording(connection, *id, end).map(|()| Vec::new()),
        Change::ConnectionsCounted(day, counts) => door::add(connection, bastion_id, *day, counts).map(|()| Vec::new()),
        Change::FeedbackGiven(id, given) => feedback::note(connection, *id, given).map(|()| Vec::new()),
        Change::RecordingSealed(id, seal) => seal_recording(connection, *id, seal).map(|()| Vec::new()),
        Change::RecordingRemoved(id, at) => remove_recording(connection, *id, *at).map(|()| Vec::new()),
        Change::HeadSigned => Ok(Vec::new()),
        Change::Erased(erasure) => erase::erase(connection, erasure).map(|()| Vec::new()),
        Change::UserForgotten(forgotten) => {
            let forgotten = erase::forget(connection, forgotten)?;
            Ok(forgotten.map(|user| Count::Forgotten { user }).into_iter().collect())
        }
        Change::TrainingEnded(end) => training::add(connection, bastion_id, seq, end).map(|()| Vec::new()),
        Change::TokenAdded(token) => tokens::add(connection, token).map(|()| Vec::new()),
        Change::TokenRevoked(revocation) => tokens::revoke(connection, revocation).map(|()| Vec::new()),
    }
}

fn begin_session(connection: &Connection, bastion_id: &str, session: &NewSession) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (id, bastion_id, user_id, roles, target, login, client_address, client_version,
                                   channel_info, state, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'open', ?10)",
        )?
        .execute(params![
            session.id.to_string(),
            bastion_id,
            session.user.as_str(),
            serde_json::to_string(&session.roles)?,
            session.target.as_ref().map(crate::domain::Name::as_str),
            session.login,
            session.client_address,
            session.client_version,
            json(session.channel_info.as_ref()),
            rfc3339(session.started_at),
        ])?;
    Ok(())
}

fn end_session(connection: &Connection, id: SessionId, end: &SessionEnd) -> Result<(), StoreError> {
    let state = if end.at.is_some() { "closed" } else { "interrupted" };
    let ended = connection
        .prepare_cached(
            "UPDATE sessions SET state = ?2, ended_at = ?3, end_reason = ?4 WHERE id = ?1 AND state = 'open'",
        )?
        .execute(params![id.to_string(), state, end.at.map(rfc3339), end.reason])?;
    if ended == 1 {
        Ok(())
    } else {
        Err(StoreError::SessionNotOpen(id))
    }
}

fn record(
    connection: &Connection,
    bastion_id: &str,
    id: CommandId,
    command: &NewCommand,
) -> Result<Vec<Count>, StoreError> {
    let timestamp = rfc3339(command.timestamp);
    insert_command(connection, bastion_id, id, command, &timestamp)?;
    tally::list_pattern(connection, command, &timestamp)?;
    let subject = Subject {
        session_id: command.session_id.to_string(),
        user: command.user.to_string(),
        target: command.target.to_string(),
        command_hash: command.command_hash.clone(),
        timestamp,
    };
    let step = Step {
        commands: 1,
        // What nobody sees run or end makes its kind no more familiar.
        ran: i64::from(command.start == Start::Running && !command.is_read),
        asked: i64::from(command.start == Start::Held),
        denied: i64::from(command.start == Start::Denied),
        ..Step::default()
    };
    tally::advance(connection, &subject, &step)
}

fn insert_command(
    connection: &Connection,
    bastion_id: &str,
    id: CommandId,
    command: &NewCommand,
    timestamp: &str,
) -> Result<(), StoreError> {
    let scoring = command.scoring.as_ref();
    let forecast = scoring.and_then(|scoring| scoring.forecast);
    let shadow = scoring.and_then(|scoring| scoring.shadow.as_ref());
    let mut statement = connection.prepare_cached(
        "INSERT INTO command_executions (
             id, uid, bastion_id, session_id, parent_id, timestamp, user_id, target, login, channel, host_info, cwd,
             command, command_mac, exactness, command_hash, pattern, pattern_version,
             initial_risk_level, initial_risk_score, ml_risk_level, ml_confidence, final_risk_level, final_risk_score,
             reasons, features, feature_digest, model_digest, decision, policy, state, state_reason,
             system_context, context_missing, aliases, shadow_risk_level, shadow_model_digest)
         VALUES (
             :id, :uid, :bastion_id, :session_id, :parent_id, :timestamp, :user_id, :target, :login, :channel, :host_info, :cwd,
             :command, :command_mac, :exactness, :command_hash, :pattern, :pattern_version,
             :initial_risk_level, :initial_risk_score, :ml_risk_level, :ml_confidence, :final_risk_level, :final_risk_score,
             :reasons, :features, :feature_digest, :model_digest, :decision, :policy, :state, :state_reason,
             :system_context, :context_missing, :aliases, :shadow_risk_level, :shadow_model_digest)",
    )?;
    statement.execute(named_params! {
        ":id": id.0,
        ":uid": command.uid.to_string(),
        ":bastion_id": bastion_id,
        ":session_id": command.session_id.to_string(),
        ":parent_id": command.parent_id.map(|parent| parent.0),
        ":timestamp": timestamp,
        ":user_id": command.user.as_str(),
        ":target": command.target.as_str(),
        ":login": command.login,
        ":channel": command.channel.as_str(),
        ":host_info": serde_json::to_string(&command.host_info)?,
        ":cwd": command.cwd,
        ":command": command.command,
        ":command_mac": command.command_mac,
        ":exactness": command.exactness.as_str(),
        ":command_hash": command.command_hash,
        ":pattern": command.pattern,
        ":pattern_version": command.pattern_version,
        ":initial_risk_level": scoring.map(|scoring| scoring.initial_risk_level.as_str()),
        ":initial_risk_score": scoring.map(|scoring| scoring.initial_risk_score),
        ":ml_risk_level": forecast.map(|forecast| forecast.level.as_str()),
        ":ml_confidence": forecast.map(|forecast| forecast.confidence),
        ":final_risk_level": scoring.map(|scoring| scoring.final_risk_level.as_str()),
        ":final_risk_score": scoring.map(|scoring| scoring.final_risk_score),
        ":reasons": scoring.map(|scoring| scoring.reasons.to_string()),
        ":features": scoring.map(|scoring| numbers::json(&scoring.features)).transpose()?,
        ":feature_digest": scoring.map(|scoring| &scoring.feature_digest),
        ":model_digest": scoring.and_then(|scoring| scoring.model_digest.as_ref()),
        ":decision": command.decision.as_str(),
        ":policy": command.policy,
        ":state": State::from(command.start).as_str(),
        ":state_reason": command.state_reason,
        ":system_context": json(command.system_context.as_ref()),
        ":context_missing": command.context_missing,
        ":shadow_risk_level": shadow.map(|shadow| shadow.shadow_risk_level.as_str()),
        ":shadow_model_digest": shadow.map(|shadow| &shadow.shadow_model_digest),
        ":aliases": unless_empty(&command.aliases, command.aliases.is_empty())?,
    })?;
    Ok(())
}

fn resolve(connection: &Connection, id: CommandId, resolution: &Resolution) -> Result<Vec<Count>, StoreError> {
    let (verdict, to) = (&resolution.verdict, resolution.verdict.state());
    let answer = verdict.answer();
    let mut statement = connection.prepare_cached(
        "UPDATE command_executions SET
             state = :state, state_reason = coalesce(:reason, state_reason), user_confirmed = :confirmed,
             confirmation_time_ms = :time_ms, answered_by = :by, answer_channel = :channel,
             system_context = coalesce(:context, system_context),
             context_missing = iif(:context IS NULL, context_missing, NULL)
         WHERE id = :id AND state = 'held' RETURNING session_id, user_id, target, command_hash, timestamp",
    )?;
    let values = named_params! {
        ":id": id.0,
        ":state": to.as_str(),
        ":reason": verdict.reason(),
        ":confirmed": answer.map(|(yes, _)| yes),
        ":time_ms": answer.map(|(_, answer)| count(answer.time_ms)),
        ":by": answer.map(|(_, answer)| answer.by.as_str()),
        ":channel": answer.map(|(_, answer)| answer.channel.as_str()),
        ":context": json(resolution.system_context.as_ref()),
    };
    let subject = moved(
        connection,
        id,
        to,
        statement.query_row(values, Subject::read).optional()?,
    )?;
    let step = Step {
        ran: i64::from(to == State::Running),
        confirmed: i64::from(answer.is_some_and(|(yes, _)| yes)),
        refused: i64::from(answer.is_some_and(|(yes, _)| !yes)),
        expired: i64::from(to == State::Expired),
        denied: i64::from(to == State::Denied),
        confirmation_ms: answer.map_or(0, |(_, answer)| count(answer.time_ms)),
        ..Step::default()
    };
    tally::advance(connection, &subject, &step)
}

fn finish(connection: &Connection, id: CommandId, outcome: &Outcome) -> Result<Vec<Count>, StoreError> {
    let (to, success) = (outcome.end.state(), outcome.end.success());
    let (code, signal, reason) = match &outcome.end {
        End::Exited(code) => (Some(*code), None, None),
        End::Killed(signal) => (None, Some(signal), None),
        End::Interrupted(reason) => (None, None, Some(reason)),
        End::Unreported => (None, None, None),
    };
    let mut statement = connection.prepare_cached(
        "UPDATE command_executions SET
             state = :state, state_reason = coalesce(:reason, state_reason), execution_success = :success,
             exit_code = :code, exit_signal = :signal, execution_time_ms = :time_ms, stdout_length = :stdout,
             stderr_length = :stderr, input_length = coalesce(:input, input_length),
             input_sha256 = coalesce(:sha256, input_sha256), cwd_after = :cwd, system_context_after = :context,
             context_after_missing = :missing, actual_impact = :impact, impact_evidence = :evidence,
             pipe_status = :pipe_status
         WHERE id = :id AND state = 'running' RETURNING session_id, user_id, target, command_hash, timestamp",
    )?;
    let duration_ms = outcome.execution_time_ms.map(count);
    let values = named_params! {
        ":id": id.0,
        ":state": to.as_str(),
        ":reason": reason,
        ":success": success,
        ":code": code,
        ":signal": signal,
        ":time_ms": duration_ms,
        ":stdout": outcome.stdout_length.map(count),
        ":stderr": outcome.stderr_length.map(count),
        ":input": outcome.input_length.map(count),
        ":sha256": outcome.input_sha256.map(|digest| hex(&digest)),
        ":cwd": outcome.cwd_after,
        ":context": json(outcome.aftermath.system_context.as_ref()),
        ":missing": outcome.aftermath.context_missing,
        ":impact": outcome.aftermath.impact.map(Impact::as_str),
        ":evidence": evidence(&outcome.aftermath),
        ":pipe_status": unless_empty(&outcome.pipe_status, outcome.pipe_status.is_empty())?,
    };
    let subject = moved(
        connection,
        id,
        to,
        statement.query_row(values, Subject::read).optional()?,
    )?;
    let step = Step {
        succeeded: i64::from(success == Some(true)),
        failed: i64::from(success == Some(false)),
        duration_ms,
        impact: outcome.aftermath.impact,
        ..Step::default()
    };
    tally::advance(connection, &subject, &step)
}

fn amend(connection: &Connection, id: CommandId, aftermath: &Aftermath) -> Result<Vec<Count>, StoreError> {
    let before: Option<String> = connection
        .prepare_cached(
            "SELECT actual_impact FROM command_executions
             WHERE id = ?1 AND state IN ('finished', 'interrupted') AND system_context_after IS NULL",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::NotAmendable(id))?;
    connection
        .prepare_cached(
            "UPDATE command_executions SET system_context_after = ?2, context_after_missing = ?3,
                 actual_impact = coalesce(?4, actual_impact), impact_evidence = coalesce(?5, impact_evidence)
             WHERE id = ?1",
        )?
        .execute(params![
            id.0,
            json(aftermath.system_context.as_ref()),
            aftermath.context_missing,
            aftermath.impact.map(Impact::as_str),
            evidence(aftermath),
        ])?;
    let subject = tally::subject(connection, id)?.ok_or(StoreError::NotAmendable(id))?;
    let impact_before = aftermath.impact.and(before).and_then(|word| word.parse().ok());
    tally::advance(
        connection,
        &subject,
        &Step {
            impact: aftermath.impact,
            impact_before,
            ..Step::default()
        },
    )
}

/// Ends what a command read on its standard input and was sent. No count moves: nothing is known of how it ended.
fn end_input(connection: &Connection, reader: CommandId, end: &InputEnd) -> Result<(), StoreError> {
    let state = if end.lost.is_some() {
        State::Interrupted
    } else {
        State::Finished
    };
    connection
        .prepare_cached(
            "UPDATE command_executions SET state = ?2, state_reason = coalesce(?3, state_reason)
             WHERE parent_id = ?1 AND state = 'running'",
        )?
        .execute(params![reader.0, state.as_str(), end.lost])?;
    if let Some(InputRest { id, length, sha256 }) = &end.rest {
        connection
            .prepare_cached(
                "UPDATE command_executions SET input_length = ?3, input_sha256 = ?4 WHERE id = ?2 AND parent_id = ?1",
            )?
            .execute(params![reader.0, id.0, count(*length), hex(sha256)])?;
    }
    Ok(())
}

/// The subject of a command that was moved to `to`; an error where it was not in the state to be moved from.
fn moved(connection: &Connection, id: CommandId, to: State, subject: Option<Subject>) -> Result<Subject, StoreError> {
    match subject {
        Some(subject) => Ok(subject),
        None => Err(StoreError::Transition {
            id,
            from: state_of(connection, id)?,
            to,
        }),
    }
}

fn state_of(connection: &Connection, id: CommandId) -> Result<Option<State>, StoreError> {
    let word: Option<String> = connection
        .prepare_cached("SELECT state FROM command_executions WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(word.and_then(|word| word.parse().ok()))
}

fn save_snapshot(connection: &Connection, seq: i64, snapshot: &NewSnapshot) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO system_contexts (id, target, taken_at, profile, snapshot) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            seq,
            snapshot.target.as_str(),
            rfc3339(snapshot.taken_at),
            json(snapshot.profile.as_ref()),
            Payload(snapshot.snapshot.to_string()),
        ])?;
    Ok(())
}

fn begin_recording(connection: &Connection, bastion_id: &str, recording: &NewRecording) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO recordings (session_id, channel, bastion_id, path, state, started_at)
             VALUES (?1, ?2, ?3, ?4, 'open', ?5)",
        )?
        .execute(params![
            recording.id.session_id.to_string(),
            recording.id.channel,
            bastion_id,
            recording.path,
            rfc3339(recording.started_at),
        ])?;
    Ok(())
}

fn end_recording(connection: &Connection, id: RecordingId, end: &RecordingEnd) -> Result<(), StoreError> {
    let went_on = match end.state {
        RecordingState::Failed { went_on, .. } => Some(went_on),
        RecordingState::Complete | RecordingState::Cut(_) => None,
    };
    let ended = connection
        .prepare_cached(
            "UPDATE recordings SET state = ?3, state_reason = ?4, ended_at = ?5, bytes = ?6, went_on = ?7,
                 sealed_bytes = iif(?8 IS NULL, sealed_bytes, ?6), sha256 = coalesce(?8, sha256)
             WHERE session_id = ?1 AND channel = ?2 AND state = 'open'",
        )?
        .execute(params![
            id.session_id.to_string(),
            id.channel,
            end.state.as_str(),
            end.state.reason(),
            end.at.map(rfc3339),
            end.bytes.map(count),
            went_on,
            end.bytes.and(end.sha256.as_deref()),
        ])?;
    if ended == 1 {
        Ok(())
    } else {
        Err(StoreError::RecordingNotOpen(id))
    }
}

/// A recording that a crash cut has ended where it is sealed.
fn seal_recording(connection: &Connection, id: RecordingId, seal: &Seal) -> Result<(), StoreError> {
    let sealed = connection
        .prepare_cached(
            "UPDATE recordings SET sealed_bytes = ?3, sha256 = ?4, bytes = iif(state = 'cut', ?3, bytes)
             WHERE session_id = ?1 AND channel = ?2 AND removed_at IS NULL
                 AND (state = 'open' OR (state = 'cut' AND bytes IS NULL))",
        )?
        .execute(params![
            id.session_id.to_string(),
            id.channel,
            count(seal.bytes),
            seal.sha256
        ])?;
    if sealed == 1 {
        Ok(())
    } else {
        Err(StoreError::RecordingNotOpen(id))
    }
}

fn remove_recording(connection: &Connection, id: RecordingId, at: Timestamp) -> Result<(), StoreError> {
    let removed = connection
        .prepare_cached(
            "UPDATE recordings SET removed_at = ?3
             WHERE session_id = ?1 AND channel = ?2 AND state <> 'open' AND removed_at IS NULL",
        )?
        .execute(params![id.session_id.to_string(), id.channel, rfc3339(at)])?;
    if removed == 1 {
        Ok(())
    } else {
        Err(StoreError::RecordingNotKept(id))
    }
}

/// Why nothing is known of the end of what a crash left open.
const STOPPED: &str = "the bastion stopped before it ended";

/// What a crash left open: ended now, as far as it is known.
pub(super) fn left_open(connection: &Connection) -> Result<Vec<Change>, StoreError> {
    let mut changes = commands_left_open(connection, None, STOPPED)?;
    changes.extend(recordings_left_open(connection)?);
    changes.extend(sessions_left_open(connection)?);
    Ok(changes)
}

/// The commands of a session, or of all, that nobody will end, ended now.
pub(super) fn commands_left_open(
    connection: &Connection,
    session: Option<SessionId>,
    why: &str,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut commands = connection.prepare(
        "SELECT id, state = 'held' FROM command_executions
         WHERE state IN ('held', 'running') AND (?1 IS NULL OR session_id = ?1) ORDER BY id",
    )?;
    let session = session.map(|session| session.to_string());
    for row in commands.query_map([session], |row| Ok((CommandId(row.get(0)?), row.get(1)?)))? {
        changes.push(match row? {
            (id, true) => Change::Resolved(
                id,
                Resolution {
                    verdict: super::Verdict::Interrupted(why.to_owned()),
                    system_context: None,
                },
            ),
            (id, false) => Change::Finished(id, Box::new(Outcome::unseen(why))),
        });
    }
    Ok(changes)
}

fn recordings_left_open(connection: &Connection) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut recordings =
        connection.prepare("SELECT session_id, channel FROM recordings WHERE state = 'open' ORDER BY 1, 2")?;
    for row in recordings.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
        let (session_id, channel) = row?;
        let session_id = session_id.parse().map(SessionId).map_err(|_| StoreError::Corrupt)?;
        let end = RecordingEnd {
            at: None,
            bytes: None,
            sha256: None,
            state: RecordingState::Cut(STOPPED.to_owned()),
        };
        changes.push(Change::RecordingEnded(RecordingId { session_id, channel }, end));
    }
    Ok(changes)
}

fn sessions_left_open(connection: &Connection) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut sessions = connection.prepare("SELECT id FROM sessions WHERE state = 'open' ORDER BY id")?;
    for id in sessions.query_map([], |row| row.get::<_, String>(0))? {
        let id = id?.parse().map(SessionId).map_err(|_| StoreError::Corrupt)?;
        changes.push(Change::SessionEnded(
            id,
            SessionEnd {
                at: None::<Timestamp>,
                reason: STOPPED.to_owned(),
            },
        ));
    }
    Ok(changes)
}

/// A value as it is stored: a member that is null or an empty object says no more than its absence.
fn json(value: Option<&Value>) -> Option<String> {
    value.map(|value| without_nothing(value).to_string())
}

/// The evidence of an impact, without what stands in columns of the same row.
fn evidence(aftermath: &Aftermath) -> Option<String> {
    let mut evidence = aftermath.evidence.clone();
    if let Some(members) = evidence.as_mut().and_then(Value::as_object_mut) {
        members.retain(|name, _| !["exit_code", "signal", "stderr_length"].contains(&name.as_str()));
    }
    json(evidence.as_ref())
}

fn without_nothing(value: &Value) -> Value {
    let Value::Object(members) = value else {
        return value.clone();
    };
    let members = members
        .iter()
        .map(|(name, member)| (name.clone(), without_nothing(member)));
    let says_nothing = |member: &Value| member.is_null() || member.as_object().is_some_and(Map::is_empty);
    Value::Object(members.filter(|(_, member)| !says_nothing(member)).collect())
}

/// A list as JSON; NULL where there is nothing in it.
fn unless_empty(list: &impl Serialize, is_empty: bool) -> Result<Option<String>, StoreError> {
    (!is_empty).then(|| Ok(serde_json::to_string(list)?)).transpose()
}
