"""RSA and AES-256-GCM for the tests, by the machine's OpenSSL: Python's library has neither."""

import base64
import ctypes
import ctypes.util

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
BITS = 2048
GET_TAG, TAG_BYTES = 0x10, 16


def declare(name, *arguments, result=ctypes.c_void_p):
    function = getattr(CRYPTO, name)
    function.argtypes = arguments
    function.restype = result


POINTER, INT, SIZE, BYTES = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
declare("EVP_PKEY_Q_keygen", POINTER, POINTER, BYTES, SIZE)
declare("BIO_new", POINTER)
declare("BIO_s_mem")
declare("BIO_read", POINTER, BYTES, INT, result=INT)
declare("BIO_free", POINTER, result=INT)
declare("PEM_write_bio_PrivateKey", POINTER, POINTER, POINTER, POINTER, INT, POINTER, POINTER,
        result=INT)
declare("PEM_write_bio_PUBKEY", POINTER, POINTER, result=INT)
declare("EVP_sha256")
declare("EVP_MD_CTX_new")
declare("EVP_MD_CTX_free", POINTER, result=None)
declare("EVP_DigestSignInit", POINTER, POINTER, POINTER, POINTER, POINTER, result=INT)
declare("EVP_DigestSign", POINTER, BYTES, ctypes.POINTER(SIZE), BYTES, SIZE, result=INT)
declare("EVP_DigestVerifyInit", POINTER, POINTER, POINTER, POINTER, POINTER, result=INT)
declare("EVP_DigestVerify", POINTER, BYTES, SIZE, BYTES, SIZE, result=INT)
declare("EVP_aes_256_gcm")
declare("EVP_CIPHER_CTX_new")
declare("EVP_CIPHER_CTX_free", POINTER, result=None)
declare("EVP_EncryptInit_ex", POINTER, POINTER, POINTER, BYTES, BYTES, result=INT)
declare("EVP_EncryptUpdate", POINTER, BYTES, ctypes.POINTER(INT), BYTES, INT, result=INT)
declare("EVP_EncryptFinal_ex", POINTER, BYTES, ctypes.POINTER(INT), result=INT)
declare("EVP_CIPHER_CTX_ctrl", POINTER, INT, INT, BYTES, result=INT)


def must(outcome):
    if not outcome or outcome < 0:
        raise RuntimeError("OpenSSL failed")
    return outcome


class Key:
    """A pair of RSA keys."""

    def __init__(self, bits=BITS):
        self.key = must(CRYPTO.EVP_PKEY_Q_keygen(None, None, b"RSA", bits))

    def pem(self, write):
        memory = must(CRYPTO.BIO_new(CRYPTO.BIO_s_mem()))
        must(write(memory))
        text = ctypes.create_string_buffer(16384)
        length = must(CRYPTO.BIO_read(memory, text, len(text)))
        CRYPTO.BIO_free(memory)
        return text.raw[:length]

    def private_pem(self):
        return self.pem(lambda memory: CRYPTO.PEM_write_bio_PrivateKey(
            memory, self.key, None, None, 0, None, None))

    def public_pem(self):
        return self.pem(lambda memory: CRYPTO.PEM_write_bio_PUBKEY(memory, self.key))

    def sign(self, text):
        """SHA256 with RSA (PKCS #1 v1.5), in base64."""
        context = must(CRYPTO.EVP_MD_CTX_new())
        must(CRYPTO.EVP_DigestSignInit(context, None, CRYPTO.EVP_sha256(), None, self.key))
        signature, length = ctypes.create_string_buffer(1024), SIZE(1024)
        must(CRYPTO.EVP_DigestSign(context, signature, ctypes.byref(length), text, len(text)))
        CRYPTO.EVP_MD_CTX_free(context)
        return base64.b64encode(signature.raw[:length.value]).decode()

    def has_signed(self, text, signature):
        raw = base64.b64decode(signature, validate=True)
        context = must(CRYPTO.EVP_MD_CTX_new())
        must(CRYPTO.EVP_DigestVerifyInit(context, None, CRYPTO.EVP_sha256(), None, self.key))
        outcome = CRYPTO.EVP_DigestVerify(context, raw, len(raw), text, len(text))
        CRYPTO.EVP_MD_CTX_free(context)
        return outcome == 1


def lock(key, nonce, known, text):
    """AES-256-GCM: the encrypted text and its tag, in base64."""
    context = must(CRYPTO.EVP_CIPHER_CTX_new())
    must(CRYPTO.EVP_EncryptInit_ex(context, CRYPTO.EVP_aes_256_gcm(), None, key, nonce))
    done, out = INT(0), ctypes.create_string_buffer(len(text) + TAG_BYTES)
    if known:
        must(CRYPTO.EVP_EncryptUpdate(context, None, ctypes.byref(done), known, len(known)))
    must(CRYPTO.EVP_EncryptUpdate(context, out, ctypes.byref(done), text, len(text)))
    sealed = out.raw[:done.value]
    must(CRYPTO.EVP_EncryptFinal_ex(context, out, ctypes.byref(done)))
    tag = ctypes.create_string_buffer(TAG_BYTES)
    must(CRYPTO.EVP_CIPHER_CTX_ctrl(context, GET_TAG, TAG_BYTES, tag))
    CRYPTO.EVP_CIPHER_CTX_free(context)
    return base64.b64encode(sealed + tag.raw).decode()
