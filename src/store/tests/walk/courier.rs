//! What the courier does: begin, settle; in order, and never what is over.

use super::*;
use crate::chat::Target;

impl Walk {
    /// What the courier takes next: one call for each chat, as it does.
    pub(super) fn begin(&mut self, which: usize) -> Result<()> {
        let due: Vec<_> = self
            .store
            .due(BOT)?
            .into_iter()
            .filter(|due| {
                self.on_the_way
                    .values()
                    .all(|(place, _)| place.chat != due.place.chat)
            })
            .collect();
        let Some(due) = choose_one(&due, which).copied() else {
            return Ok(());
        };
        let ready = self.store.begin(due.row)?.expect("what is due waits");
        let row = due.row;
        if let (
            Post::Edit {
                target: Target::Row(shown),
                ..
            },
            None,
        ) = (&ready.post, ready.edits)
        {
            let decided =
                format!("SELECT COUNT(*) FROM request WHERE row = {shown} AND user IS NOT NULL");
            assert_eq!(
                number(&self.store, &decided),
                0,
                "what was decided of {shown} is told nowhere"
            );
        }
        let no_longer_open = format!(
            "SELECT COUNT(*) FROM request WHERE state != 'open'
             AND (row = {row} OR token = (SELECT part_of FROM outbox WHERE id = {row}))"
        );
        assert_eq!(
            number(&self.store, &no_longer_open),
            0,
            "{row} cannot be answered any more"
        );
        if due.lane == Lane::Request {
            let own = format!(
                "SELECT COUNT(*) FROM outbox JOIN outbox request ON request.id = {row} WHERE outbox.id < {row}
                 AND outbox.prompt = request.prompt AND outbox.lane = 2 AND outbox.state IN ('waiting', 'sending')"
            );
            assert_eq!(number(&self.store, &own), 0, "{row} overtakes its own turn");
        }
        self.on_the_way.insert(row, (due.place, due.lane));
        Ok(())
    }

    pub(super) fn settle(&mut self, which: usize, how: usize) -> Result<()> {
        let rows: Vec<RowId> = self.on_the_way.keys().copied().collect();
        let Some(&row) = choose_one(&rows, which) else {
            return Ok(());
        };
        let (place, lane) = self.on_the_way.remove(&row).expect("it is on its way");
        match how {
            0 => self.store.put_back(row, false)?,
            1 => self.store.put_back(row, true)?,
            2 => drop(self.store.refuse(row, NOW, &post("denied"), "unseen")?),
            3 => self.store.replace(row, &[post("simpler")])?,
            _ => {
                self.last_message += 1;
                self.store
                    .delivered(row, place.chat, Some(MessageId(self.last_message)))?;
                if lane == Lane::Text {
                    self.delivered.entry(place).or_default().push(row);
                }
            }
        }
        Ok(())
    }
}
