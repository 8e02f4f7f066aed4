//! Tells a reply that only agrees from one that says something. Pure.
//!
//! It decides nothing: what follows from an agreement is decided where the reply is dealt with.

/// What says no more than yes, alone or one after the other, by language. Each is written as [`only_agrees`] reads it: in
/// small letters, and with a blank for an apostrophe.
///
/// What may also say no is left out, in whatever language (“no problem”, “大丈夫”), and so is every word that only says
/// something beside others: “it” agrees in “do it” alone.
const AGREEING: &str = "
    yes, y, yep, yup, yeah, yea, ya, aye, ok, okay, okey, okie, k, kk, sure, sure thing, fine, good, great, perfect
    nice, cool, awesome, excellent, amazing, wonderful, brilliant, super, splendid, beautiful, well done, good job
    right, correct, exactly, indeed, true, certainly, absolutely, definitely, totally, of course, by all means
    agree, agreed, i agree, confirm, confirmed, affirmative, roger, roger that, alright, all right, all good, all fine
    allow, allowed, allow it, allow this, allow that, allow once, allow it once, allow always, always, always allow
    approve, approved, approve it, i approve, accept, accepted, accept it, i accept, granted, permission granted
    go, go on, go ahead, go for it, go now, go then, good to go, carry on, keep going, proceed, continue, resume
    do, do it, do that, do this, do so, do it now, just do it, make it so, run, run it, run that, run this, run it now
    execute, execute it, send it, ship it, let s go, lets go, let s do it, lets do it, let s do this, you can, you may
    lgtm, sgtm, wfm, looks good, looks good to me, looks great, looks fine, looks ok, looks right, looks correct
    sounds good, sounds good to me, sounds great, sounds fine, sounds right, works for me, that works, makes sense
    that s fine, thats fine, that s ok, thats ok, that s good, thats good, that is fine, that is ok, that s right
    it s fine, its fine, it s ok, its ok, fine by me, fine with me, ok with me, ok for me, good idea, good for me
    i like it, like it, i love it, love it, then, ok then, please, pls, plz, please do, yes sir, +1
    thanks, thx, ty, thank you, thank you very much, thanks a lot, many thanks, cheers

    ja, jawohl, jo, jep, jap, jupp, klar, na klar, alles klar, gern, gerne, gut, sehr gut, alles gut, prima, perfekt
    passt, passt so, das passt, passt schon, mach, machs, mach s, mach es, mach das, mach weiter, weiter, weiter so
    los, leg los, los geht s, los gehts, nur zu, bitte, ja bitte, einverstanden, in ordnung, geht klar, okee
    erlaubt, erlauben, genehmigt, genau, richtig, stimmt, natürlich, sicher, sieht gut aus, klingt gut
    danke schön, dankeschön, vielen dank

    jazeker, zeker, goed, is goed, akkoord, oke, oké, doe maar, ga maar, ga door, graag, natuurlijk, bedankt, dank je
    jaha, japp, jepp, visst, absolut, självklart, kör, kör på, gör det, bra, okej, tack, tak, takk, javisst
    kjør, kjør på, greit, det er greit, selvfølgelig, fint, gør det, gjør det, godt, klart, fortsätt, fortsæt, fortsett
    joo, juu, kyllä, selvä, hyvä, toki, anna mennä, jatka, kiitos

    sí, sip, claro, claro que sí, claro que si, vale, dale, venga, por supuesto, de acuerdo, adelante, hazlo
    perfecto, bueno, bien, muy bien, está bien, esta bien, genial, correcto, aprobado, procede, continúa, sigue
    gracias, muchas gracias, por favor, sim, pode, pode ser, pode fazer, beleza, certo, tudo bem, tá, tá bom, ta bom
    está bem, isso, ótimo, perfeito, com certeza, vai, segue, continua, obrigado, obrigada, bora, aprovado, manda ver
    sì, va bene, certamente, d accordo, procedi, avanti, perfetto, ottimo, bene, approvato, fallo, grazie, esatto
    oui, ouais, d accord, vas y, allez y, allez, c est bon, c est ok, ça marche, bien sûr, bien sur, parfait, bon
    très bien, tres bien, fais le, approuvé, absolument, entendu, volontiers, carrément, svp, stp
    s il te plaît, s il vous plaît, da, bine, sigur, desigur, în regulă, mulțumesc, mersi, continuă

    jasne, dobra, dobrze, oczywiście, pewnie, zgoda, zgadzam się, śmiało, kontynuuj, dalej, dzięki
    ano, áno, jasně, dobře, dobrá, dobre, souhlasím, súhlasím, pokračuj, díky, igen, rendben, persze, mehet, köszönöm
    evet, tamam, olur, tabii, tabi, peki, devam, devam et, teşekkürler, iya, baik, setuju, lanjut, lanjutkan
    vâng, được, đồng ý, ναι, εντάξει, οκ, βεβαίως

    да, ага, угу, ок, окей, хорошо, ладно, давай, конечно, согласен, согласна, разрешаю, верно, отлично, супер
    продолжай, вперёд, вперед, делай, запускай, пойдёт, пойдет, спасибо, пожалуйста
    так, добре, гаразд, звичайно, звісно, згоден, згодна, авжеж, дякую, продовжуй

    כן, בסדר, نعم, أجل, تمام, موافق, بله, باشه, हाँ, हां, ठीक है, hai, はい, ええ, うん, 了解, 了解です, お願いします, 承認
    是, 是的, 好, 好的, 可以, 行, 对, 對, 同意, 批准, 允许, 允許, 继续, 繼續
    네, 예, 응, 그래, 좋아, 좋아요, 좋습니다, 오케이, 승인, 계속
";

/// What says yes only where it is all that is said: before more it may be an “if”.
const AGREEING_ALONE: &[&str] = &["si"];

/// Signs that say the same.
const AGREEING_SIGNS: &str =
    "👍👌✅✔☑🆗💯🙏🤝🚀❤🧡💛💚💙💜🤍🖤💖💪👏🙌🎉🎊🥳🔥⚡✨⭐🌟🏆🤙🫡😀😃😄😁😊🙂😎😍🤩🥰😘";

/// More words than these say something, whichever they are.
const WORDS_MAX: usize = 12;

/// Whether a reply to a request says no more than yes: then it is neither a reason to deny it, nor enough to allow it.
///
/// One word that is not known makes it a reason: what it says may be anything.
pub fn only_agrees(text: &str) -> bool {
    let mut words = vec![String::new()];
    let mut has_sign = false;
    for letter in text.chars() {
        match letter {
            sign if AGREEING_SIGNS.contains(sign) => {
                has_sign = true;
                words.push(String::new());
            }
            // A plus belongs to a word, so that “-1” is not “+1”.
            letter if letter.is_alphanumeric() || letter == '+' => {
                if let Some(word) = words.last_mut() {
                    word.extend(letter.to_lowercase());
                }
            }
            // How a sign is coloured, and what puts two into one.
            '\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            letter if divides(letter) => words.push(String::new()),
            _ => return false,
        }
    }
    words.retain(|word| !word.is_empty());
    let said = words.join(" ");
    let says_something = has_sign || !words.is_empty();
    AGREEING_ALONE.contains(&said.as_str())
        || (says_something && words.len() <= WORDS_MAX && agrees(&said))
}

/// Whether it is nothing but one agreement after the other.
fn agrees(words: &str) -> bool {
    let is_rest = |rest: &str| rest.is_empty() || rest.strip_prefix(' ').is_some_and(agrees);
    words.is_empty() || agreements().any(|said| words.strip_prefix(said).is_some_and(is_rest))
}

fn agreements() -> impl Iterator<Item = &'static str> {
    let all = AGREEING.split([',', '\n']).map(str::trim);
    all.filter(|said| !said.is_empty())
}

fn divides(letter: char) -> bool {
    let is_other_mark = matches!(
        letter,
        '…' | '¡' | '«' | '»' | '–' | '—' | '\u{2018}'..='\u{201f}'
    ) || matches!(letter, '、' | '。' | '！' | '，' | '～' | '،');
    letter.is_whitespace() || letter.is_ascii_punctuation() || is_other_mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_agrees_is_no_reason() {
        for text in [
            "yes",
            " Yes! ",
            "OK",
            "ok.",
            "okay…",
            "yep",
            "Sure, go ahead",
            "do it",
            "ja",
            "Sí",
            "si",
            "oui",
            "👍",
            "👍🏽",
            "👌👌",
            "✅",
            "✔️",
            "yes 👍",
            "“ok”",
            "LGTM!!!",
            "looks good",
            "Looks good to me, go ahead",
            "sounds good!",
            "yes, run it",
            "go for it",
            "Go ahead.",
            "proceed",
            "please continue",
            "ok thanks",
            "ship it 🚀",
            "+1",
            "❤️",
            "❤️‍🔥",
            "🎉",
            "🔥",
            "да",
            "Да, конечно",
            "d'accord",
            "C’est bon",
            "let's go",
            "That’s fine, thanks",
            "¡Claro que sí!",
            "va bene",
            "alles klar, mach weiter",
            "はい。",
            "好的！",
            "네",
            "sì",
        ] {
            assert!(only_agrees(text), "{text:?}");
        }
    }

    #[test]
    fn whatever_else_is_said_is_a_reason() {
        for text in [
            "",
            " ",
            "?",
            "no",
            "nope",
            "not ok",
            "don't",
            "don't do it",
            "don’t",
            "do not",
            "yes, but on a branch",
            "si c'est ok",
            "Si c'est bon, vas-y",
            "si está bien, adelante",
            "danke",
            "merci",
            "yes, but use npm ci",
            "looks good except the name",
            "👎",
            "❌",
            "👍👎",
            "👍❌",
            "stop",
            "never",
            "nein",
            "нет",
            "не надо",
            "non",
            "ok?no",
            "yesterday",
            "いいえ",
            "不行",
            "不可以",
            "-1",
            "1",
            "+10",
            "no problem",
            "why not",
            "run the tests first",
            "go back",
            "wait",
            "later",
            "it",
            "for me",
            "ok, with --dry-run",
            "continue on main",
            "🙂‍↔️",
            "💔",
            "yes no",
        ] {
            assert!(!only_agrees(text), "{text:?}");
        }
    }

    #[test]
    fn every_agreement_is_read_as_it_is_written_down() {
        for said in agreements() {
            assert!(only_agrees(said), "{said:?}");
        }
    }

    #[test]
    fn nothing_agrees_that_says_no_or_holds_a_word_of_substance() {
        let others = [
            "no",
            "not",
            "don't",
            "never",
            "nope",
            "none",
            "cannot",
            "stop",
            "wait",
            "but",
            "except",
            "only",
            "first",
            "nein",
            "nicht",
            "kein",
            "non",
            "pas",
            "nee",
            "niet",
            "nej",
            "inte",
            "ikke",
            "ei",
            "nie",
            "ne",
            "não",
            "nunca",
            "нет",
            "не",
            "ні",
            "hayır",
            "nem",
            "όχι",
            "לא",
            "لا",
            "नहीं",
            "いいえ",
            "不",
            "没",
            "아니요",
            "xyzzy",
            "👎",
        ];
        let all: Vec<&str> = agreements().collect();
        for (at, said) in all.iter().enumerate() {
            let other = others[at % others.len()];
            let next = all[(at * 7 + 1) % all.len()];
            for text in [
                format!("{other} {said}"),
                format!("{said}, {other}"),
                format!("{said} {other} {next}"),
            ] {
                assert!(!only_agrees(&text), "{text:?}");
            }
            let both = format!("{said}, {next}");
            assert!(only_agrees(&both), "{both:?}");
        }
        for other in others {
            assert!(
                !only_agrees(other) && !only_agrees(&format!("yes {other}")),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_long_reply_says_something() {
        assert!(only_agrees(&"go ".repeat(WORDS_MAX)));
        assert!(!only_agrees(&"go ahead ".repeat(500)));
    }
}
