"""Judging: will minimising this loss make this model decide well?"""
