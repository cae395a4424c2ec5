"""Has eSpeak NG say words. It runs in a process of its own, which the library's state and crashes stay in.

python synthesis.py LIBRARY DATA OUT.npz < utterances.json, a list of [voice, words per minute, word].
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import numpy as np

SYNCHRONOUS, DO_NOT_EXIT = 2, 0x8000  # espeak_AUDIO_OUTPUT and options of espeak_Initialize
WORDS_PER_MINUTE = 1  # espeak_PARAMETER
CHARACTERS, UTF8 = 1, 1  # espeak_POSITION_TYPE and flags of espeak_Synth
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def synthesise(library: str, data: str, utterances: list[tuple[str, int, str]]) -> tuple[int, list[np.ndarray]]:
    """Return the sampling rate [Hz], and int16 samples of each utterance."""
    engine = ctypes.CDLL(library)
    heard: list[np.ndarray] = []

    @Callback
    def receive(samples: Any, count: int, events: int) -> int:
        if count:
            heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    rate = engine.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), DO_NOT_EXIT)
    if rate <= 0:
        raise SystemExit(f"{data}: eSpeak NG cannot be started from it")
    engine.espeak_SetSynthCallback(receive)
    waveforms = []
    for voice, speed, word in utterances:
        if engine.espeak_SetVoiceByName(voice.encode()):
            raise SystemExit(f"eSpeak NG has no voice '{voice}'")
        engine.espeak_SetParameter(WORDS_PER_MINUTE, speed, 0)
        text = word.encode()
        engine.espeak_ng_SetRandSeed(
            ctypes.c_long(1)
        )  # seeds the breath, which would otherwise be drawn from the clock
        heard.clear()
        engine.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, CHARACTERS, 0, UTF8, None, None)
        waveforms.append(np.concatenate(heard))
    return rate, waveforms


if __name__ == "__main__":
    found, waveforms = synthesise(sys.argv[1], sys.argv[2], json.load(sys.stdin))
    np.savez(sys.argv[3], rate=found, samples=np.concatenate(waveforms), lengths=[len(x) for x in waveforms])
