"""Moved to promptdescent.verdict.words; this goes when nobody imports it any more."""

from promptdescent.verdict.words import KEEP_THE_OLD, percent, reuse_sentence, sentence

__all__ = ["KEEP_THE_OLD", "percent", "reuse_sentence", "sentence"]
