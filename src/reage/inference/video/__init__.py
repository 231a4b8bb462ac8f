"""Ageing the faces of a video so that nothing flickers."""

from reage.inference.video.job import AgedVideo, VideoInterrupted, age_video

__all__ = ["AgedVideo", "VideoInterrupted", "age_video"]
