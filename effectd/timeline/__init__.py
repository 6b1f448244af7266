"""Timelines as documents: MPEG-V SEM, Python_PlaySEM's, our JSON, histories, wind tracks: bytes in, effects out."""
