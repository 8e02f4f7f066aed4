//! Grants: what people have allowed for longer than one call, for whom, and until when.
//!
//! Whoever takes something away, or lets something be over, renews the processes that may have it: `generation` counts up,
//! and nothing is given to a process of an older one. What a grant means to Claude is not known here.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::sessions::Renewal;
use super::{Intake, Result, Store, outbox};
use crate::chat::{Grant, Permit, Person, Reach, Revoked, SessionId};

/// How long something is allowed for an hour, in seconds.
const HOUR: i64 = 3_600;

/// How far a clock may go back before what was allowed for an hour is over, in seconds.
const CLOCK_SLACK: i64 = 60;

/// Which sessions a grant reaches: as a condition over `granted` and `session`.
const REACHES: &str = "(granted.reach = 'everywhere'
    OR (granted.reach = 'folder' AND granted.folder = session.folder)
    OR (granted.reach = 'session' AND granted.session = session.id))";

/// Whether a grant counts at the time `?1`. One that ends later than any can was given by a clock that was set back since.
fn counts() -> String {
    format!(
        "(granted.until IS NULL OR (granted.until > ?1 AND granted.until <= ?1 + {HOUR} + {CLOCK_SLACK}))"
    )
}

/// None where it cannot be read: written by a later chappe, or damaged. What nobody can read allows nothing.
fn grant_from(row: &Row<'_>) -> Result<Option<Grant>> {
    let id: i64 = row.get("id")?;
    let json: String = row.get("permit")?;
    let Ok(permit) = serde_json::from_str(&json) else {
        log::warn!("grant {id} cannot be read and allows nothing");
        return Ok(None);
    };
    let reach = match row.get::<_, String>("reach")?.as_str() {
        "everywhere" => Reach::Everywhere,
        "folder" => Reach::Folder,
        _ => Reach::Session,
    };
    Ok(Some(Grant {
        id,
        permit,
        reach,
        by: row.get("name")?,
        at: row.get("at")?,
        until: row.get("until")?,
    }))
}

fn of(tx: &Transaction<'_>, session: SessionId, now: i64) -> Result<Vec<Grant>> {
    tx.prepare_cached(&format!(
        "SELECT granted.* FROM granted JOIN session ON session.id = ?2
         WHERE {REACHES} AND {} ORDER BY granted.id",
        counts()
    ))?
    .query_map((now, session.0), grant_from)?
    .filter_map(Result::transpose)
    .collect()
}

/// Lets only fresh processes serve the sessions that a grant reaches, with the one in which it was given or without it;
/// returns those that have a live one.
fn renew(tx: &Transaction<'_>, grant: i64, with_own: bool) -> Result<Vec<SessionId>> {
    let live: Vec<Option<i64>> = tx
        .prepare_cached(&format!(
            "UPDATE session SET revision = revision + 1, generation = generation + 1
             WHERE EXISTS (SELECT 1 FROM granted WHERE granted.id = ?1 AND {REACHES}
                 AND (?2 OR granted.session IS NOT session.id))
             RETURNING iif(pid IS NULL, NULL, id)"
        ))?
        .query_map((grant, with_own), |row| row.get(0))?
        .collect::<Result<_>>()?;
    Ok(live.into_iter().flatten().map(SessionId).collect())
}

/// Forgets what is over, so that no process that has it is given anything more.
pub(super) fn expire(tx: &Transaction<'_>, now: i64) -> Result<()> {
    let over: Vec<i64> = tx
        .prepare_cached(&format!("SELECT id FROM granted WHERE NOT {}", counts()))?
        .query_map([now], |row| row.get(0))?
        .collect::<Result<_>>()?;
    end(tx, &over)
}

/// Forgets what was over before a time, whatever the clock says since.
pub(super) fn prune(tx: &Transaction<'_>, before: i64) -> Result<()> {
    let over: Vec<i64> = tx
        .prepare_cached("SELECT id FROM granted WHERE until < ?1")?
        .query_map([before], |row| row.get(0))?
        .collect::<Result<_>>()?;
    end(tx, &over)
}

fn end(tx: &Transaction<'_>, grants: &[i64]) -> Result<()> {
    for grant in grants {
        renew(tx, *grant, true)?;
        tx.execute("DELETE FROM granted WHERE id = ?1", [grant])?;
    }
    Ok(())
}

impl Store {
    /// What is allowed in a session at this time.
    pub fn grants(&self, session: SessionId, now: i64) -> Result<Vec<Grant>> {
        self.read(|tx| of(tx, session, now))
    }
}

impl Intake<'_> {
    /// Notes what a person allows in a session from now on. The process that asked is told with the decision, and a later
    /// one at its start. None where it is not a grant but the session's permission mode.
    pub(super) fn grant(
        &mut self,
        session: SessionId,
        permit: &Permit,
        person: &Person,
    ) -> Result<Option<i64>> {
        if *permit == Permit::Edit {
            self.use_mode(session, Some("acceptEdits"), Renewal::Live)?;
            return Ok(None);
        }
        let json = outbox::json(permit)?;
        // Said twice it is one grant, by whoever said it last.
        self.tx.execute(
            "DELETE FROM granted WHERE session = ?1 AND reach = 'session' AND permit = ?2",
            (session.0, &json),
        )?;
        self.tx.execute(
            "INSERT INTO granted (session, reach, folder, permit, user, name, at)
             SELECT id, 'session', folder, ?2, ?3, ?4, ?5 FROM session WHERE id = ?1",
            (session.0, &json, person.id.0, &person.name, self.now),
        )?;
        Ok(Some(self.tx.last_insert_rowid()))
    }

    /// What is allowed in a session now.
    pub fn grants(&self, session: SessionId) -> Result<Vec<Grant>> {
        of(self.tx, session, self.now)
    }

    /// Takes a grant away, as whoever looks at a session; returns what it was. No live process keeps it longer than its turn.
    pub fn revoke(&mut self, session: SessionId, grant: i64) -> Result<Option<Revoked>> {
        // Also one that cannot be read: whoever presses has read what it is.
        let found = self.grant_of(grant)?;
        let live = renew(self.tx, grant, true)?;
        let mut is_kept = self.is_at_work(session)?;
        for with_it in &live {
            is_kept |= self.is_at_work(*with_it)?;
        }
        self.touched.extend(live);
        self.tx
            .execute("DELETE FROM granted WHERE id = ?1", [grant])?;
        let Some(grant) = found else {
            return Ok(None);
        };
        let left = self.grants(session)?;
        let is_allowed_still = left.iter().any(|other| other.permit == grant.permit);
        Ok(Some(Revoked {
            grant,
            is_kept,
            is_allowed_still,
        }))
    }

    /// Lets a grant be over in an hour; None where it is gone already.
    pub fn limit_grant(&mut self, grant: i64) -> Result<Option<Grant>> {
        if self.grant_of(grant)?.is_none() {
            return Ok(None);
        }
        self.tx.execute(
            "UPDATE granted SET until = ?2 WHERE id = ?1",
            (grant, self.now + HOUR),
        )?;
        self.grant_of(grant)
    }

    /// Lets a grant reach further; None where it is gone already. Other live processes are renewed to have it.
    pub fn widen_grant(&mut self, grant: i64, reach: Reach) -> Result<Option<Grant>> {
        if self.grant_of(grant)?.is_none() {
            return Ok(None);
        }
        self.tx.execute(
            "UPDATE granted SET reach = ?2 WHERE id = ?1",
            (grant, reach.as_str()),
        )?;
        let live = renew(self.tx, grant, false)?;
        self.touched.extend(live);
        self.grant_of(grant)
    }

    fn grant_of(&self, grant: i64) -> Result<Option<Grant>> {
        self.tx
            .prepare_cached(&format!(
                "SELECT * FROM granted WHERE id = ?2 AND {}",
                counts()
            ))?
            .query_row((self.now, grant), grant_from)
            .optional()
            .map(Option::flatten)
    }
}
