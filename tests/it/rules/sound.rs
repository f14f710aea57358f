//! Speech, voices, transcripts and music.

use serde_json::{Value, json};

use super::Row;

fn spoken(more: Value) -> Value {
    super::text::with(json!({ "text": "Hello" }), more)
}

fn long(more: Value) -> Value {
    super::text::with(json!({ "text": "x".repeat(10_001) }), more)
}

pub fn rows() -> Vec<Row> {
    [speech(), long_speech(), voices(), transcripts(), music(), lyrics()].concat()
}

/// "T2A v2".
fn speech() -> Vec<Row> {
    let tool = "text_to_audio";
    let mixed = |count: usize| vec![json!({ "voice_id": "a", "weight": 50 }); count];
    let mut rows: Vec<Row> = vec![
        ("tts: text is not empty", tool, json!({ "text": "" }), "text", "text_file"),
        ("tts: text says something", tool, json!({ "text": " \n" }), "text", "text_file"),
        ("tts: text or file", tool, json!({}), "text", "text_file"),
        ("tts: speed", tool, spoken(json!({ "speed": 0.4 })), "speed", "0.5 to 2"),
        ("tts: speed", tool, spoken(json!({ "speed": 2.1 })), "speed", "0.5 to 2"),
        ("tts: vol is above 0", tool, spoken(json!({ "vol": 0 })), "vol", "at most 10"),
        ("tts: vol", tool, spoken(json!({ "vol": 10.5 })), "vol", "10"),
        ("tts: pitch", tool, spoken(json!({ "pitch": 13 })), "pitch", "-12 to 12"),
        ("tts: pitch", tool, spoken(json!({ "pitch": -13 })), "pitch", "-12 to 12"),
        ("tts: pitch is an integer", tool, spoken(json!({ "pitch": 0.5 })), "pitch", "whole number"),
        ("tts: emotion", tool, spoken(json!({ "emotion": "neutral" })), "emotion", "calm"),
        (
            "tts: fluent is for 2.6",
            tool,
            spoken(json!({ "emotion": "fluent", "model": "speech-2.8-hd" })),
            "emotion",
            "calm",
        ),
        ("tts: sample_rate", tool, spoken(json!({ "sample_rate": 11025 })), "sample_rate", "22050"),
        (
            "tts: 48000 is for long opus",
            tool,
            spoken(json!({ "sample_rate": 48000 })),
            "sample_rate",
            "44100",
        ),
        (
            "tts: 12000 is for long opus",
            tool,
            spoken(json!({ "sample_rate": 12000 })),
            "sample_rate",
            "16000",
        ),
        ("tts: bitrate", tool, spoken(json!({ "bitrate": 96_000 })), "bitrate", "128000"),
        ("tts: format", tool, spoken(json!({ "format": "aac" })), "format", "pcmu_wav"),
        ("tts: channel", tool, spoken(json!({ "channel": 3 })), "channel", "1 to 2"),
        ("tts: at most 4 voices", tool, spoken(json!({ "voice_mix": mixed(5) })), "voice_mix", "4"),
        (
            "tts: a mix has no voice_id",
            tool,
            spoken(json!({ "voice_mix": mixed(2), "voice_id": "b" })),
            "voice_mix",
            "one of the two",
        ),
        (
            "tts: weight",
            tool,
            spoken(json!({ "voice_mix": [{ "voice_id": "a", "weight": 101 }] })),
            "voice_mix[0].weight",
            "1 to 100",
        ),
        (
            "tts: language_boost",
            tool,
            spoken(json!({ "language_boost": "Klingon" })),
            "language_boost",
            "Afrikaans",
        ),
        (
            "tts: effects go with mp3, wav, flac",
            tool,
            spoken(json!({ "sound_effects": "robotic", "format": "opus" })),
            "format",
            "mp3, wav or flac",
        ),
        (
            "tts: effects go with mp3, wav, flac",
            tool,
            spoken(json!({ "voice_modify_pitch": 5, "format": "pcm" })),
            "format",
            "mp3, wav or flac",
        ),
        ("tts: sound_effects", tool, spoken(json!({ "sound_effects": "echo" })), "sound_effects", "robotic"),
        (
            "tts: a pronunciation is a pair",
            tool,
            spoken(json!({ "pronunciation": ["omg"] })),
            "pronunciation",
            "original/replacement",
        ),
        ("tts: subtitles", tool, spoken(json!({ "subtitles": "ass" })), "subtitles", "vtt"),
        ("speak: text", "speak", json!({ "text": "x".repeat(10_000) }), "text", "1 to 9999"),
        ("speak: text is not empty", "speak", json!({ "text": "" }), "text", "1 to 9999"),
        ("speak: speed", "speak", spoken(json!({ "speed": 3 })), "speed", "0.5 to 2"),
        ("speak: vol", "speak", spoken(json!({ "vol": 11 })), "vol", "10"),
        ("speak: pitch", "speak", spoken(json!({ "pitch": 13 })), "pitch", "-12 to 12"),
        (
            "speak: emotion",
            "speak",
            spoken(json!({ "emotion": "whisper", "model": "speech-2.8-hd" })),
            "emotion",
            "calm",
        ),
        ("speak: language", "speak", spoken(json!({ "language_boost": "el" })), "language_boost", "Greek"),
    ];
    for field in ["voice_modify_pitch", "voice_modify_intensity", "voice_modify_timbre"] {
        for value in [-101, 101] {
            rows.push(("tts: voice_modify", tool, spoken(json!({ field: value })), field, "-100 to 100"));
        }
    }
    for model in ["speech-2.8-hd", "speech-2.8-turbo", "speech-02-hd", "speech-02-turbo", "speech-01-hd"] {
        let arguments = spoken(json!({ "model": model, "emotion": "whisper" }));
        rows.push(("tts: whisper is for 2.6", tool, arguments, "emotion", "calm"));
    }
    for language in ["Persian", "Filipino", "Tamil"] {
        for model in ["speech-02-hd", "speech-02-turbo", "speech-01-hd", "speech-01-turbo"] {
            let arguments = spoken(json!({ "model": model, "language_boost": language }));
            rows.push(("tts: languages of 01 and 02", tool, arguments, "language_boost", "speech-2.8-hd"));
        }
    }
    rows
}

/// "T2A async".
fn long_speech() -> Vec<Row> {
    let tool = "text_to_audio";
    let mix = json!([{ "voice_id": "a", "weight": 50 }]);
    vec![
        (
            "async: text or file",
            tool,
            json!({ "text": "x", "text_file": "@notes.txt" }),
            "text_file",
            "one of the two",
        ),
        ("async: text", tool, json!({ "text": "x".repeat(50_001) }), "text", "1 to 50000"),
        (
            "async: opus rates",
            tool,
            long(json!({ "format": "opus", "sample_rate": 44100 })),
            "sample_rate",
            "8000, 12000, 16000, 24000, 48000",
        ),
        ("async: other rates", tool, long(json!({ "sample_rate": 48000 })), "sample_rate", "44100"),
        ("async: no mix", tool, long(json!({ "voice_mix": mix })), "voice_mix", "voice_id"),
        (
            "async: effects go with mp3, wav, flac",
            tool,
            long(json!({ "sound_effects": "robotic", "format": "pcmu_wav" })),
            "format",
            "mp3, wav or flac",
        ),
        ("async: file", tool, json!({ "text_file": "@million.txt" }), "text_file", "999999"),
        ("async: a text or an archive", tool, json!({ "text_file": "@face.jpg" }), "text_file", "text"),
    ]
}

/// "Voice Clone", "Voice Design".
fn voices() -> Vec<Row> {
    let tool = "voice_clone";
    let clone = |more| super::text::with(json!({ "voice_id": "MyVoice001", "file": "@12s.wav" }), more);
    let id = |id: &str| clone(json!({ "voice_id": id }));
    vec![
        ("clone: voice_id is long enough", tool, id("Voice01"), "voice_id", "8 to 256"),
        ("clone: voice_id is short enough", tool, id(&"v".repeat(257)), "voice_id", "8 to 256"),
        ("clone: voice_id begins with a letter", tool, id("1Voice001"), "voice_id", "begin with a letter"),
        ("clone: voice_id ends well", tool, id("MyVoice00-"), "voice_id", "letter or digit"),
        ("clone: voice_id ends well", tool, id("MyVoice00_"), "voice_id", "letter or digit"),
        ("clone: voice_id has no blank", tool, id("My Voice 001"), "voice_id", "letters, digits, - and _"),
        ("clone: file is 10 s at least", tool, clone(json!({ "file": "@9s.wav" })), "file", "10 to 300"),
        ("clone: file is 5 min at most", tool, clone(json!({ "file": "@301s.wav" })), "file", "10 to 300"),
        ("clone: file is 20 MB at most", tool, clone(json!({ "file": "@20mib.wav" })), "file", "20,971,520"),
        ("clone: type", tool, clone(json!({ "file": "@song.flac" })), "file", "MP3, M4A or WAV"),
        ("clone: type", tool, clone(json!({ "file": "@key.wav" })), "file", "MP3, M4A or WAV"),
        ("clone: text", tool, clone(json!({ "text": "x".repeat(1001) })), "text", "1 to 1000"),
        ("clone: the pair", tool, clone(json!({ "prompt_audio": "@5s.wav" })), "prompt_text", "prompt_audio"),
        ("clone: the pair", tool, clone(json!({ "prompt_text": "Hello." })), "prompt_audio", "prompt_text"),
        (
            "clone: prompt_audio is below 8 s",
            tool,
            clone(json!({ "prompt_audio": "@8s.wav", "prompt_text": "Hello." })),
            "prompt_audio",
            "7.9",
        ),
        (
            "clone: prompt_audio is 20 MB at most",
            tool,
            clone(json!({ "prompt_audio": "@20mib.wav", "prompt_text": "Hello." })),
            "prompt_audio",
            "20,971,520",
        ),
        (
            "clone: prompt_audio is a recording",
            tool,
            clone(json!({ "prompt_audio": "@song.flac", "prompt_text": "Hello." })),
            "prompt_audio",
            "MP3, M4A or WAV",
        ),
        (
            "clone: text_validation",
            tool,
            clone(json!({ "text_validation": "x".repeat(201) })),
            "text_validation",
            "1 to 200",
        ),
        (
            "clone: accuracy",
            tool,
            clone(json!({ "accuracy": 1.1, "text_validation": "x" })),
            "accuracy",
            "0 to 1",
        ),
        (
            "clone: language_boost",
            tool,
            clone(json!({ "language_boost": "Klingon" })),
            "language_boost",
            "Afrikaans",
        ),
        (
            "design: prompt",
            "voice_design",
            json!({ "prompt": "", "preview_text": "x" }),
            "prompt",
            "describe the voice",
        ),
        (
            "design: preview",
            "voice_design",
            json!({ "prompt": "x", "preview_text": "" }),
            "preview_text",
            "500",
        ),
        (
            "design: preview",
            "voice_design",
            json!({ "prompt": "x", "preview_text": "x".repeat(501) }),
            "preview_text",
            "1 to 500",
        ),
        ("voices: type", "list_voices", json!({ "voice_type": "mine" }), "voice_type", "voice_cloning"),
        (
            "voices: type",
            "delete_voice",
            json!({ "voice_id": "MyVoice001", "voice_type": "system" }),
            "voice_type",
            "voice_cloning",
        ),
    ]
}

/// "Speech to text".
fn transcripts() -> Vec<Row> {
    let tool = "speech_to_text";
    let heard = |more| super::text::with(json!({ "file": "@12s.wav" }), more);
    vec![
        ("asr: 50 MB", tool, json!({ "file": "@50mib.wav" }), "file", "52,428,800"),
        ("asr: 500 s", tool, json!({ "file": "@501s.wav" }), "file", "0 to 500"),
        ("asr: type", tool, json!({ "file": "@face.jpg" }), "file", "FLAC"),
        ("asr: not what it is called", tool, json!({ "file": "@key.wav" }), "file", "FLAC"),
        ("asr: language", tool, heard(json!({ "language": "Klingon" })), "language", "zh, yue, en"),
        (
            "asr: a language that it lacks",
            tool,
            heard(json!({ "language": "el" })),
            "language",
            "zh, yue, en",
        ),
        ("asr: format", tool, heard(json!({ "format": "docx" })), "format", "verbose_json"),
        ("asr: timestamps", tool, heard(json!({ "timestamps": "letter" })), "timestamps", "sentence, word"),
    ]
}

/// "Music Generation", "Music Cover".
fn music() -> Vec<Row> {
    let tool = "music_generation";
    let cover = |more| {
        super::text::with(json!({ "prompt": "Jazz with a warm bass", "reference_audio": "@12s.wav" }), more)
    };
    let song = |more| super::text::with(json!({ "lyrics": "[Verse]\nRain on the roof" }), more);
    let mut rows: Vec<Row> = vec![
        ("song: lyrics", tool, json!({ "prompt": "x" }), "lyrics", "lyrics_optimizer: true"),
        ("song: lyrics", tool, json!({ "lyrics": "x".repeat(3501) }), "lyrics", "1 to 3500"),
        ("song: prompt", tool, song(json!({ "prompt": "x".repeat(2001) })), "prompt", "2000"),
        ("instrumental: prompt", tool, json!({ "is_instrumental": true }), "prompt", "1 to 2000"),
        (
            "instrumental: no lyrics",
            tool,
            song(json!({ "prompt": "x", "is_instrumental": true })),
            "lyrics",
            "instrumental",
        ),
        ("optimizer: prompt", tool, json!({ "lyrics_optimizer": true }), "prompt", "1 to 2000"),
        (
            "optimizer: no lyrics",
            tool,
            song(json!({ "prompt": "x", "lyrics_optimizer": true })),
            "lyrics_optimizer",
            "leave out",
        ),
        (
            "cover: a reference",
            tool,
            json!({ "model": "music-cover", "prompt": "Jazz with bass" }),
            "reference_audio",
            "music-3.0",
        ),
        (
            "cover: exactly one",
            tool,
            cover(json!({ "reference_audio": ["@12s.wav", PICTURE] })),
            "reference_audio",
            "must be a text",
        ),
        ("cover: its model", tool, cover(json!({ "model": "music-3.0" })), "model", "music-cover"),
        ("cover: prompt", tool, cover(json!({ "prompt": "short" })), "prompt", "10 to 300"),
        ("cover: prompt", tool, cover(json!({ "prompt": "x".repeat(301) })), "prompt", "10 to 300"),
        ("cover: lyrics", tool, cover(json!({ "lyrics": "short" })), "lyrics", "10 to 1000"),
        ("cover: lyrics", tool, cover(json!({ "lyrics": "x".repeat(1001) })), "lyrics", "10 to 1000"),
        (
            "cover: 6 s at least",
            tool,
            cover(json!({ "reference_audio": "@5s.wav" })),
            "reference_audio",
            "6 to 360",
        ),
        (
            "cover: 6 min at most",
            tool,
            cover(json!({ "reference_audio": "@361s.wav" })),
            "reference_audio",
            "6 to 360",
        ),
        (
            "cover: 50 MB",
            tool,
            cover(json!({ "reference_audio": "@50mib.wav" })),
            "reference_audio",
            "52,428,800",
        ),
        ("cover: a sound", tool, cover(json!({ "reference_audio": "@face.jpg" })), "reference_audio", "MP3"),
        ("music: format", tool, song(json!({ "format": "flac" })), "format", "mp3, wav, pcm"),
        ("music: sample_rate", tool, song(json!({ "sample_rate": 48000 })), "sample_rate", "44100"),
        ("music: bitrate", tool, song(json!({ "bitrate": 1 })), "bitrate", "256000"),
        ("music: no duration", tool, song(json!({ "duration": 60 })), "duration", "no parameter"),
    ];
    for model in ["music-2.5", "music-2.0", "music-1.5"] {
        for field in ["is_instrumental", "lyrics_optimizer"] {
            let arguments = json!({ "prompt": "Jazz with a warm bass", "model": model, field: true });
            rows.push(("older models write and play nothing alone", tool, arguments, field, "music-3.0"));
        }
    }
    for model in ["music-2.0", "music-1.5"] {
        let lyrics = "[Verse]\nRain on the roof";
        let short = json!({ "prompt": "short", "lyrics": lyrics, "model": model });
        rows.push(("older models: prompt", tool, short, "prompt", "10 to 300"));
        let long = json!({ "prompt": "Jazz with a warm bass", "lyrics": "x".repeat(601), "model": model });
        rows.push(("older models: lyrics", tool, long, "lyrics", "10 to 600"));
    }
    rows
}

const PICTURE: &str = super::PICTURE;

/// "Lyrics Generation".
fn lyrics() -> Vec<Row> {
    let tool = "generate_lyrics";
    vec![
        ("lyrics: mode", tool, json!({ "prompt": "x", "mode": "rap" }), "mode", "write_full_song, edit"),
        ("lyrics: prompt", tool, json!({ "prompt": "x".repeat(2001) }), "prompt", "1 to 2000"),
        (
            "lyrics: the old ones",
            tool,
            json!({ "prompt": "x", "lyrics": "x".repeat(3501) }),
            "lyrics",
            "1 to 3500",
        ),
        ("lyrics: edit what", tool, json!({ "prompt": "x", "mode": "edit" }), "lyrics", "edit"),
    ]
}
