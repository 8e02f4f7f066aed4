//! What the pretended model costs: totals that grow over the process and go on after a resume, as the real ones do.
//!
//! Pure. Token counts are estimates from text lengths; prices are those of the model it pretends to be.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Tokens before a conversation has begun: system prompt and tools.
const BASE_INPUT: u64 = 12_300;
const DOLLARS_PER_INPUT: f64 = 4e-6;
const DOLLARS_PER_OUTPUT: f64 = 20e-6;

#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) output: u64,
}

impl Tokens {
    fn add(&mut self, more: Tokens) {
        self.input += more.input;
        self.output += more.output;
    }

    fn dollars(self) -> f64 {
        // Token counts stay far below 2^52, where a float is exact.
        self.input as f64 * DOLLARS_PER_INPUT + self.output as f64 * DOLLARS_PER_OUTPUT
    }
}

/// The costs of a session.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Spent by earlier processes of the session.
    before: f64,
    models: BTreeMap<String, Tokens>,
    since_result: BTreeMap<String, Tokens>,
    turn: Tokens,
}

impl Ledger {
    pub(super) fn going_on(before: f64) -> Ledger {
        Ledger {
            before,
            ..Ledger::default()
        }
    }

    /// One message: the whole history goes in, the message comes out.
    pub(super) fn spend(&mut self, model: &str, history_chars: usize, output_chars: usize) {
        let tokens = Tokens {
            input: input_tokens(history_chars),
            output: output_chars as u64 / 4 + 1,
        };
        self.models.entry(model.to_owned()).or_default().add(tokens);
        self.since_result
            .entry(model.to_owned())
            .or_default()
            .add(tokens);
        self.turn.add(tokens);
    }

    pub(super) fn total_dollars(&self) -> f64 {
        self.before
            + self
                .models
                .values()
                .map(|tokens| tokens.dollars())
                .sum::<f64>()
    }

    /// The cost fields of a `result` line. What is counted per turn and per result begins anew.
    pub(super) fn close_turn(&mut self) -> Value {
        let turn = std::mem::take(&mut self.turn);
        let since = std::mem::take(&mut self.since_result);
        json!({
            "total_cost_usd": self.total_dollars(),
            "usage": {
                "input_tokens": turn.input, "output_tokens": turn.output, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "service_tier": "standard",
            },
            "modelUsage": usage(&self.models),
            "model_usage_since_last_result": usage(&since),
        })
    }

    /// The text of `/cost` and of `get_session_cost`.
    pub(super) fn summary(&self) -> String {
        let mut text = format!(
            "Estimated cost:        ${:.4}\nTotal duration (API):  0s\nTotal duration (wall): 0s\n\
             Total code changes:    0 lines added, 0 lines removed\n",
            self.total_dollars()
        );
        if self.models.is_empty() {
            text.push_str("Usage:                 0 input, 0 output, 0 cache read, 0 cache write");
            return text;
        }
        text.push_str("Usage by model:");
        for (model, tokens) in &self.models {
            let (input, output, dollars) = (tokens.input, tokens.output, tokens.dollars());
            text.push_str(&format!(
                "\n     {model}:  {input} input, {output} output, 0 cache read, 0 cache write (${dollars:.4})"
            ));
        }
        text
    }
}

pub(super) fn input_tokens(history_chars: usize) -> u64 {
    BASE_INPUT + history_chars as u64 / 4
}

fn usage(models: &BTreeMap<String, Tokens>) -> Value {
    let entry = |(model, tokens): (&String, &Tokens)| {
        let value = json!({
            "inputTokens": tokens.input, "outputTokens": tokens.output, "cacheReadInputTokens": 0,
            "cacheCreationInputTokens": 0, "webSearchRequests": 0, "costUSD": tokens.dollars(),
            "contextWindow": 1_000_000, "maxOutputTokens": 128_000, "thinkingTokens": 0, "canonicalModel": model,
            "provider": "firstParty", "costBasis": "list",
        });
        (model.clone(), value)
    };
    Value::Object(models.iter().map(entry).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_grow_and_the_rest_begins_anew() {
        let mut ledger = Ledger::going_on(1.0);
        ledger.spend("m", 400, 40);
        let first = ledger.close_turn();
        assert_eq!(first["usage"]["input_tokens"], 12_400);
        ledger.spend("m", 400, 40);
        let second = ledger.close_turn();
        assert!(second["total_cost_usd"].as_f64() > first["total_cost_usd"].as_f64());
        assert!(first["total_cost_usd"].as_f64() > Some(1.0));
        assert_eq!(second["modelUsage"]["m"]["inputTokens"], 24_800);
        assert_eq!(
            second["model_usage_since_last_result"]["m"]["inputTokens"],
            12_400
        );
        assert_eq!(
            ledger.close_turn()["model_usage_since_last_result"],
            json!({})
        );
    }
}
